"""Steps by jobs: over when the jobs have ended that earlier steps have started."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: The event that a job waits for whose step is that of the jobs that it has started.
EVENT = "*jobs"
FAIL, CONTINUE = "fail", "continue"

#: The keys of a step by jobs in the JSON Schema of recipes.
KEYS: Mapping[str, Any] = {
    "on_failed": {
        "enum": [FAIL, CONTINUE],
        "default": FAIL,
        "description": "What follows if one of the jobs of a step by jobs was not done: fail or continue.",
    },
}
#: Keys that say how work is done, or when it begins.
_OF_OTHERS = ("run", "queue", "time_limit", "heartbeat", "retry", "wait", "parts", "branches", "at_once")


def faults(document: Mapping[str, Any]) -> Iterator[str]:
    """Every fault of the steps by jobs of a recipe, each by its field."""
    for place, step in enumerate(document["steps"]):
        where = f"steps.{place}"
        if step.get("by") != "jobs":
            if "on_failed" in step:
                yield f"{where}.on_failed: only a step by jobs has it"
            continue
        if place == 0:
            yield f"{where}: the first step cannot wait for jobs: none have been started"
        for key in _OF_OTHERS:
            if key in step:
                yield f"{where}.{key}: a step by jobs is theirs, and has none"
