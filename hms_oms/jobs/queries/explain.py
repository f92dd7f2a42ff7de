"""Explain the state of a job: all facts read at one moment; the wording is added elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from hms_oms.database import statements
from hms_oms.jobs.queries import read
from hms_oms.jobs.records import Event, Job
from hms_oms.jobs.workers import GONE_SECONDS


@dataclass(frozen=True, slots=True)
class Standing:
    """The facts about a job that explain its state.

    `position` counts from 1 and is None unless the job is ready in the backlog, which has `backlog` jobs;
    `queued` is how many of its queue are in the window, `slots` how many can run at once on live workers,
    of which `slots_lost` are lost to steps that hang; on `held_hosts` nothing more is started. What was
    `given_up` is done after all others. One that waits for others with its key has `limit_at_once` or
    `limit_starts`; `with_key` of them are in flight or next, and `started_with_key` were started in the last
    minute. One that waits for the `parts` of its step has so many, none
    before they are made; of them `open_parts` have not ended. One that `awaits_jobs` waits for those that
    it has started.
    """

    job: Job
    now: datetime
    position: int | None
    backlog: int
    queued: int
    slots: int
    slots_lost: int
    held_hosts: Sequence[str]
    given_up: bool
    paused_at: datetime | None
    paused_by: str | None
    pause_reason: str | None
    starts_per_minute: int | None
    window_size: int | None
    limit_at_once: int | None
    limit_starts: int | None
    with_key: int
    started_with_key: int
    parts: int | None
    open_parts: int
    awaits_jobs: bool
    event_log: tuple[Event, ...]

    @property
    def losses(self) -> tuple[Event, ...]:
        """The losses of a message or worker after which the job was resumed."""
        return tuple(event for event in self.event_log if event.fact == "lost")


def standing(connection: Connection, job: int) -> Standing:
    """The standing of one job. Raises UnknownJob."""
    record = read.get(connection, job)
    [row] = statements.run(connection, "standing", {"job": job, "gone": GONE_SECONDS})
    return Standing(job=record, event_log=tuple(read.event_log(connection, job)), **row)
