"""Steps in parts: one for each item of a list, or branches that run side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: The event that a job waits for whose step is done in parts; none that a recipe can name.
EVENT = "*parts"
#: The most parts of a step.
MOST = 10_000

_PATH = r"[^.]+(\.[^.]+)*"
#: The keys of a step in parts in the JSON Schema of recipes.
KEYS: Mapping[str, Any] = {
    "parts": {
        "type": "string",
        "pattern": f"^(payload\\.{_PATH}|results\\.{_PATH})$",
        "examples": ["payload.pages", "results.read.pages"],
        "description": "The list for each of whose items the step runs once, side by side: in the payload, or"
        " in the result of an earlier step. Its result is the list of theirs.",
    },
    "at_once": {
        "type": "integer",
        "minimum": 1,
        "maximum": MOST,
        "description": "How many parts of the step may be in flight at once; else there is no limit.",
    },
}
#: What a step by an agent or an event has none of.
_OF_PARTS = ("parts", "branches", "at_once")
#: What a step with branches leaves to them.
_OF_BRANCHES = ("run", "heartbeat", "parts")

#: What a branch may say of how it is run.
_OF_A_BRANCH = ("name", "run", "queue", "time_limit", "heartbeat", "retry")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a step: which one it is, from 0, and its item of the list, or the name of its branch."""

    index: int
    item: Any


class PartsFault(ValueError):
    """A step cannot be done in parts: what is to be its list is none, or too long."""


def branches(keys: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a step's branches, of those of the keys of steps."""
    return {
        "type": "array",
        "minItems": 1,
        "maxItems": 100,
        "description": "Steps that run side by side in place of this one, which is done once all of them are;"
        " its result has theirs by their names. What one does not say it has of this step.",
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {key: keys[key] for key in _OF_A_BRANCH},
        },
    }


def items(path: str, payload: Mapping[str, Any], results: Mapping[str, Any]) -> Sequence[Any]:
    """The list for whose items a step runs. Raises PartsFault."""
    root, *names = path.split(".")
    value: Any = payload if root == "payload" else results
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    if not isinstance(value, list):
        raise PartsFault(f"{path} is no list")
    if len(value) > MOST:
        raise PartsFault(f"{path} has {len(value):,} items, at most {MOST:,} are parts of a step")
    return value


def faults(document: Mapping[str, Any]) -> Iterator[str]:
    """Every fault of the parts of a recipe's steps, each by its field."""
    earlier: list[str] = []
    for place, step in enumerate(document["steps"]):
        where = f"steps.{place}"
        yield from _kind_faults(where, step)
        if "parts" in step:
            yield from _list_faults(f"{where}.parts", step["parts"], document["payload"], earlier)
        if place == 0 and "limit" in document and is_split(step):
            yield f"{where}: the first step cannot be in parts in a recipe with a limit: put a step before it"
        earlier.append(step["name"])


def is_split(step: Mapping[str, Any]) -> bool:
    """Whether a step of a recipe's file is done in parts."""
    return "parts" in step or "branches" in step


def _kind_faults(where: str, step: Mapping[str, Any]) -> Iterator[str]:
    by = step.get("by", "worker")
    if by != "worker":
        yield from (f"{where}.{key}: only a step by workers has it" for key in _OF_PARTS if key in step)
        return
    if "at_once" in step and not is_split(step):
        yield f"{where}.at_once: only a step in parts has it"
    if "branches" in step:
        yield from (f"{where}.{key}: a step with branches has none" for key in _OF_BRANCHES if key in step)
        names = [branch["name"] for branch in step["branches"]]
        for name in dict.fromkeys(names):
            if names.count(name) > 1:
                yield f"{where}.branches: {name} stands there twice"


def _list_faults(where: str, path: str, payload: Mapping[str, Any], earlier: Sequence[str]) -> Iterator[str]:
    root, first, *names = path.split(".")
    if root == "results":
        if first not in earlier:
            yield f"{where}: {first} is no earlier step"
        return
    schema: Any = payload
    for name in (first, *names):
        known = schema.get("properties", {}) if isinstance(schema, Mapping) else {}
        if name not in known:
            yield f"{where}: {path.removeprefix('payload.')} is not a field of the payload"
            return
        schema = known[name]
    if isinstance(schema, Mapping) and schema.get("type", "array") != "array":
        yield f"{where}: {path} is a field of the type {schema['type']}, not an array"
