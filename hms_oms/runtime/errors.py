"""Errors, each named by its cause. Losing a race is never an error: it is an empty result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class HmsError(Exception):
    """The root of all errors that this product raises on purpose."""


class ConfigError(HmsError):
    """The settings or a recipe cannot be used; `faults` holds every reason, one sentence each."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


class UnknownJobType(HmsError):
    """No recipe describes the job type that was asked for."""

    def __init__(self, job_type: str, known: Sequence[str]) -> None:
        self.job_type = job_type
        self.known = tuple(known)
        super().__init__(f"no recipe for job type {job_type!r}; known are {', '.join(known) or 'none'}")


class RecipeUnreadable(HmsError):
    """The ledger's snapshot of a recipe cannot be read by this program."""

    def __init__(self, recipe_id: int) -> None:
        self.recipe_id = recipe_id
        super().__init__(
            f"the recipe that this job was accepted under (oms.recipes {recipe_id}) cannot be read by this"
            " program: upgrade it or repair that row, then retry the job"
        )


class RequestRejected(HmsError):
    """A request does not meet its recipe's payload schema; `faults` maps each field to a reason."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in self.faults))


class KeyTooLong(RequestRejected):
    """The key that was given for a request does not fit into the ledger."""


class SlaNeverOver(RequestRejected):
    """An SLA would never be over: by the calendar of its queue the office is open too seldom."""


class KeyReused(HmsError):
    """A job has the key of a request, and other content; `differences` has both values by field."""

    def __init__(self, job: str, status: str, differences: Mapping[str, tuple[Any, Any]]) -> None:
        self.job = job
        self.status = status
        self.differences = differences
        super().__init__(
            f"{job} has this key, is {status}, and differs in {', '.join(differences)}: {self._way}"
        )

    @property
    def _way(self) -> str:
        if self.status in ("waiting", "queued"):
            return "supersede replaces it by this request"
        if self.status == "running":
            return "a job that runs is not replaced; cancel it first, or wait until it has ended"
        return "a job that has ended is not replaced; start the corrected request under a key of its own"


class UnknownJob(HmsError):
    """No job has this id."""

    def __init__(self, job: str) -> None:
        self.job = job
        super().__init__(f"there is no {job}")


class UnknownQueue(HmsError):
    """No queue has this name."""

    def __init__(self, queue: str, known: Sequence[str]) -> None:
        self.queue = queue
        super().__init__(f"there is no queue {queue!r}; known are {', '.join(known) or 'none'}")


class UnknownSchema(HmsError):
    """The database is not at the revision that this code needs; `newer`: at one that it does not know."""

    def __init__(self, applied: str | None, needed: str, *, newer: bool, of: str = "the database") -> None:
        self.applied = applied
        self.needed = needed
        self.newer = newer
        self.advice = (
            "upgrade this program to the release that has migrated the database"
            if newer
            else "run `hms db migrate`"
        )
        self.words = f"{of} is at revision {applied or 'none'}, this program needs {needed}"
        super().__init__(f"{self.words}: {self.advice}")
