"""Limit of a recipe: how many jobs with the same key may be in flight at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Limit:
    """How many jobs with the same value of a field of their payload may be in flight at once."""

    field: str | None
    at_once: int = 1


def read(limit: Mapping[str, Any] | None) -> Limit | None:
    """The limit that a recipe's file says; None if it says none."""
    return None if limit is None else Limit(limit.get("field"), limit.get("at_once", 1))


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
