"""Limit of a recipe: how many jobs with the same key may be in flight at once, and start in a minute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST_AT_ONCE = 1_000_000
MOST_STARTS = 3000

#: A recipe's limit in the JSON Schema of recipes.
SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "description": "How many jobs with one key may be in flight at once, and start in a minute; the others"
    " wait. One at once, if it says neither.",
    "properties": {
        "field": {
            "type": "string",
            "minLength": 1,
            "description": "The field of the payload that is the key, unless the job is given a `limit_key`.",
        },
        "at_once": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_AT_ONCE,
            "description": "How many jobs with the same key may be in flight at once.",
        },
        "starts_per_minute": {
            "type": "integer",
            "minimum": 1,
            "maximum": MOST_STARTS,
            "description": "How many jobs with the same key may start within any minute.",
        },
    },
}


@dataclass(frozen=True)
class Limit:
    """How many jobs with the same value of a field may be in flight at once, and start in a minute."""

    field: str | None
    at_once: int | None = None
    starts_per_minute: int | None = None


def read(limit: Mapping[str, Any] | None) -> Limit | None:
    """The limit that a recipe's file says; None if it says none."""
    if limit is None:
        return None
    return Limit(limit.get("field"), limit.get("at_once"), limit.get("starts_per_minute"))


def of_job(limit: Limit | None, at_once: int | None, starts_per_minute: int | None) -> Limit:
    """The limit of a job: what it is given goes before what its recipe says, and else one at once."""
    own = limit or Limit(None)
    most = own.at_once if at_once is None else at_once
    starts = own.starts_per_minute if starts_per_minute is None else starts_per_minute
    return Limit(own.field, 1 if most is None and starts is None else most, starts)


def option_faults(at_once: int | None, starts_per_minute: int | None) -> Iterator[tuple[str, str]]:
    """What is wrong with the limits that a job is given, each by its name."""
    given = (("at_once", at_once, MOST_AT_ONCE), ("starts_per_minute", starts_per_minute, MOST_STARTS))
    for name, number, most in given:
        if number is not None and not 1 <= number <= most:
            yield name, f"must be from 1 to {most:,}"


def faults(document: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the limit of a recipe."""
    limit = document.get("limit")
    if limit is None:
        return
    field = limit.get("field")
    if field is not None and field not in document["payload"].get("properties", {}):
        yield f"limit.field: {field} is not a field of the payload"
    for position, step in enumerate(document["steps"]):
        if step.get("by") == "agent":
            yield f"steps.{position}.by: a step of agents cannot be in a recipe with a limit"
