"""Waits in a recipe: steps that begin later, and steps that are over when an event is signalled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

#: What follows if an event has not come in time, beside the names of later steps.
FAIL, CONTINUE = "fail", "continue"
TIMED_OUT: Mapping[str, Any] = {"timedOut": True}
#: The longest wait.
MOST = timedelta(days=366)

_WAIT = re.compile(r"(\d{1,9}) ?(s|seconds?|m|min|minutes?|h|hours?|d|days?|w|weeks?)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
#: The keys of a step's waits in the JSON Schema of recipes.
KEYS: Mapping[str, Any] = {
    "wait": {
        "type": "string",
        "examples": ["90 s", "10 min", "36 h", "2 days"],
        "description": "The step begins so long after the one before it; of an event: its time limit.",
    },
    "event": {
        "type": "string",
        "pattern": "^[a-z][a-z0-9_-]{0,62}$",
        "description": "The event that a step by an event waits for; else the name of the step.",
    },
    "on_timeout": {
        "type": "string",
        "default": "fail",
        "description": "What follows if the event has not come in time: fail, continue, or a later step.",
    },
    "timeout_result": {
        "type": "object",
        "description": 'Its result if the event has not come in time; else {"timedOut": true}.',
    },
}
#: Keys that say how work is done, which an event is not.
_OF_WORK = ("run", "queue", "time_limit", "heartbeat", "retry")
_OF_EVENTS = ("event", "on_timeout", "timeout_result")


def read(written: str) -> timedelta:
    """Read a wait: `90 s`, `10 min`, `36h`, `2 days`. Raises ValueError."""
    match = _WAIT.fullmatch(written)
    wait = timedelta(**{_UNITS[match[2][0]]: int(match[1])}) if match else timedelta()
    if not timedelta(seconds=1) <= wait <= MOST:
        raise ValueError(f"must be a time as 90 s, 36 h or 2 days, at most {MOST.days} days, not {written!r}")
    return wait


def of(step: Mapping[str, Any]) -> dict[str, Any]:
    """The waits of a step that has no fault, as fields of a Step."""
    wait = read(step["wait"]).total_seconds() if "wait" in step else None
    if step.get("by") != "event":
        return {"wait": wait}
    return {
        "wait": wait,
        "event": step.get("event", step["name"]),
        "on_timeout": step.get("on_timeout", FAIL),
        "timeout_result": step.get("timeout_result", dict(TIMED_OUT)),
    }


def faults(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Every fault of the waits of a recipe's steps, each by its field."""
    events = [step.get("event", step["name"]) for step in steps if step.get("by") == "event"]
    for event in dict.fromkeys(events):
        if events.count(event) > 1:
            yield f"steps: two of them wait for the event {event}"
    for place, step in enumerate(steps):
        where = f"steps.{place}"
        try:
            read(step.get("wait", "1 s"))
        except ValueError as error:
            yield f"{where}.wait: {error}"
        if place == 0 and ("wait" in step or step.get("by") == "event"):
            yield f"{where}: the first step cannot wait: start the job later, or with notBefore"
        if step.get("by") == "event":
            yield from _faults_of_event(where, step, [ahead["name"] for ahead in steps[place + 1 :]])
        else:
            yield from (f"{where}.{key}: only a step by an event has it" for key in _OF_EVENTS if key in step)


def _faults_of_event(where: str, step: Mapping[str, Any], ahead: Sequence[str]) -> Iterator[str]:
    if "wait" not in step:
        yield f"{where}.wait: a step by an event needs a time limit, as 2 days"
    yield from (f"{where}.{key}: an event is nobody's work, and has none" for key in _OF_WORK if key in step)
    follows = step.get("on_timeout", FAIL)
    if follows not in (FAIL, CONTINUE, *ahead):
        steps = f"a later step ({', '.join(ahead)})"
        yield f"{where}.on_timeout: {follows!r} is neither fail nor continue nor {steps}"
