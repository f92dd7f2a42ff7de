"""Steps of a recipe: what is run, where, how often it is tried, and what it waits for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from hms_oms.recipes.steps import child_jobs, waits
from hms_oms.recipes.steps.parts import EVENT, Part, items


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how late a failed step is tried again.

    The n-th retry waits `base_seconds * factor ** (n - 1)`, at most `max_seconds`, with up to `jitter`
    (a share of the delay) added at random. `errors` names the exception types that are tried again;
    empty means all but mistakes of the program (see workers.failing).
    """

    attempts: int = 3
    base_seconds: float = 2.0
    factor: float = 2.0
    max_seconds: float = 300.0
    jitter: float = 0.1
    errors: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """One step: `run` is the Celery task that does it, `by` says who does it: worker, agent or event.

    A step with a `heartbeat` is ended when it says nothing for so many seconds. One with a `wait` begins so
    many seconds after the step before it. That of an event is over when `event` is signalled, and after its
    `wait` at the latest: then `on_timeout` says what follows, with `timeout_result` as its result. One with
    `parts` runs once for each item of that list, one with `branches` as all of them, `at_once` so many.
    """

    name: str
    run: str
    queue: str
    by: str = "worker"
    time_limit: int = 300
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    heartbeat: int | None = None
    wait: float | None = None
    event: str | None = None
    on_timeout: str | None = None
    timeout_result: Any = None
    parts: str | None = None
    at_once: int | None = None
    branches: tuple[Step, ...] | None = None
    on_failed: str | None = None

    @property
    def is_split(self) -> bool:
        """Whether it is done in parts."""
        return self.parts is not None or self.branches is not None

    @property
    def awaits(self) -> str | None:
        """The event that its job waits for; its own, or the end of its parts."""
        if self.by == "jobs":
            return child_jobs.EVENT
        return EVENT if self.is_split else self.event

    @property
    def is_at_once(self) -> bool:
        """Whether a worker may begin it as soon as the step before it is complete."""
        return self.by == "worker" and self.wait is None and not self.is_split

    @property
    def works(self) -> tuple[Step, ...]:
        """What is run of it: its branches, if it has such, and else itself."""
        return self.branches or (self,)

    def part(self, index: int, payload: Mapping[str, Any], results: Mapping[str, Any]) -> Part:
        """One of its parts: an item of its list, or a branch by its name. Raises PartsFault, IndexError."""
        if self.branches:
            return Part(index, self.branches[index].name)
        assert self.parts is not None
        return Part(index, items(self.parts, payload, results)[index])

    def as_document(self) -> dict[str, Any]:
        """The step as plain JSON, without what it does not say of the keys that are newer than the ledger.

        So a recipe that has none of them keeps its digest, and programs of the release before can read it.
        """
        document: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        if self.branches is not None:
            document["branches"] = [branch.as_document() for branch in self.branches]
        return {name: value for name, value in document.items() if name not in _NEWER or value is not None}

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Step:
        """The inverse of `as_document`."""
        retry = document["retry"]
        branches = document.get("branches")
        return cls(
            **{
                **document,
                "retry": RetryPolicy(**{**retry, "errors": tuple(retry["errors"])}),
                "branches": None if branches is None else tuple(map(cls.from_document, branches)),
            }
        )


#: Keys of a step that are left out of its document where they are not given.
_NEWER = frozenset(
    {
        "heartbeat",
        "wait",
        "event",
        "on_timeout",
        "timeout_result",
        "parts",
        "at_once",
        "branches",
        "on_failed",
    }
)


def of(step: Mapping[str, Any], queue: str) -> Step:
    """The step that a recipe's file describes, of a recipe with this queue."""
    retry = step.get("retry", {})
    return Step(
        name=step["name"],
        run=step.get("run", step["name"]),
        queue=step.get("queue", queue),
        by=step.get("by", "worker"),
        time_limit=step.get("time_limit", 300),
        heartbeat=step.get("heartbeat"),
        **waits.of(step),
        parts=step.get("parts"),
        at_once=step.get("at_once"),
        branches=_branches(step, queue),
        on_failed=step.get("on_failed", child_jobs.FAIL) if step.get("by") == "jobs" else None,
        retry=RetryPolicy(**{**retry, "errors": tuple(retry.get("errors", ()))}),
    )


def _branches(step: Mapping[str, Any], queue: str) -> tuple[Step, ...] | None:
    """The branches of a step: what one does not say of how it is run, the step says."""
    if "branches" not in step:
        return None
    said = {key: step[key] for key in ("queue", "time_limit", "retry") if key in step}
    return tuple(of({**said, **branch}, queue) for branch in step["branches"])
