"""A job that was started: whether it is new, and what comes of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine

from hms_oms.jobs.queries import read
from hms_oms.jobs.records import Job
from hms_oms.jobs.states import TERMINAL, Status
from hms_oms.runtime.errors import HmsError, UnknownJob

#: How often it is looked whether a job has ended, in seconds: at first, and at last.
FIRST_SECONDS, LAST_SECONDS = 0.02, 1.0


class NotEnded(HmsError, TimeoutError):
    """A job has not ended in the time that was given to it; it goes on."""

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__(f"{job.name} is {job.status} at step {job.step_name}, and has not ended in time")


class NotDone(HmsError):
    """A job has failed, or was cancelled: it has no results to be relied on."""

    def __init__(self, job: Job) -> None:
        self.job = job
        error = job.error or {}
        why = (
            f": {error.get('type')}: {error.get('message')}" if job.status == Status.FAILED and error else ""
        )
        super().__init__(f"{job.name} is {job.status} at step {job.step_name}{why}")


@dataclass(frozen=True)
class Enqueued:
    """The job that a request led to, as it was then, and whether it is new (else its key was taken)."""

    job: Job
    created: bool
    _engine: Engine = field(repr=False)

    @property
    def id(self) -> int:
        """The number of the job."""
        return self.job.id

    def now(self) -> Job:
        """The job as it is now. Raises UnknownJob before the transaction that started it is committed."""
        with self._engine.connect() as connection:
            try:
                return read.get(connection, self.job.id)
            except UnknownJob:
                raise UnknownJob(
                    f"{self.job.name} yet: commit the transaction that started it, and ask then"
                ) from None

    def wait(self, seconds: float | None = None) -> Job:
        """Wait until the job has ended, in whichever way, and return it as it is then.

        Raises NotEnded after so many seconds, and UnknownJob before its transaction is committed.
        """
        until = None if seconds is None else time.monotonic() + seconds
        pause = FIRST_SECONDS
        while (job := self.now()).status not in TERMINAL:
            left = LAST_SECONDS if until is None else until - time.monotonic()
            if left <= 0:
                raise NotEnded(job)
            time.sleep(min(pause, left))
            pause = min(2 * pause, LAST_SECONDS)
        return job

    def results(self, seconds: float | None = None) -> Mapping[str, Any]:
        """Wait until the job is done, and return the results of its steps by their names.

        Raises NotEnded after so many seconds, and NotDone if it has failed or was cancelled.
        """
        job = self.wait(seconds)
        if job.status != Status.DONE:
            raise NotDone(job)
        return job.results
