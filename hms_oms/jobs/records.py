"""Records of the ledger: frozen, in plain Python types, with aware times in UTC.

Those made for every step are named tuples: they are made in a third, and changed in a fifth, of the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, NamedTuple

from hms_oms.documents.jobs import JobFields
from hms_oms.jobs.states import Fact, Status
from hms_oms.jobs.tickets import Ticket, job_name


@dataclass(frozen=True, slots=True)
class Job(JobFields):
    """One job as the ledger has it."""

    id: int
    step: int
    sla: datetime
    batch_id: int | None
    replaces: int | None
    calendar_id: int | None
    clock_from: datetime | None
    parent_id: int | None
    part: int | None
    held_seconds: float | None

    @property
    def name(self) -> str:
        """How the job is shown: `job-219`."""
        return job_name(self.id)

    @property
    def counts_from(self) -> datetime:
        """From when its time counts: its acceptance, or the start that was asked for."""
        return self.clock_from or max(self.created_at, self.sla - timedelta(minutes=self.sla_minutes))

    @property
    def step_name(self) -> str:
        """The step that the job is at, or was at last."""
        return self.steps[self.step]


@dataclass(frozen=True, slots=True)
class Deadline:
    """A deadline that was computed by a calendar of its queue, and from when its time counts."""

    at: datetime
    calendar: int
    clock_from: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a job's event log."""

    at: datetime
    fact: str
    status: str
    step: int
    attempt: int
    who: str | None
    detail: Mapping[str, Any] | None


class Band(IntEnum):
    """Part of a backlog: what is kept is taken before what was given up because it cannot be done in time."""

    KEPT = 0
    GIVEN_UP = 1


class Place(NamedTuple):
    """Place in a backlog: the lowest is taken first. The rank is the priority with the opposite sign."""

    band: Band
    rank: int
    due: datetime
    job: int


def in_full(lines: Iterable[Event]) -> Iterator[Event]:
    """An event log with a line for each change.

    In the ledger one line tells both if a step was completed and the next one claimed in the same moment.
    """
    for line in lines:
        if goes_on(line.fact, line.status):
            yield replace(line, status=Status.QUEUED.value)
            yield replace(line, fact=Fact.CLAIMED.value, detail=None)
        else:
            yield line


def goes_on(fact: str, status: str) -> bool:
    """Whether a line of an event log tells two changes: a step was completed, and the next one claimed."""
    return fact == Fact.ADVANCED and status == Status.RUNNING


@dataclass(frozen=True, slots=True)
class Taken:
    """A job that has just moved from the backlog into the window, and is to be published."""

    job: int
    attempt: int
    step: int
    steps: tuple[str, ...]
    recipe_id: int
    cell: int
    place: Place
    part: int | None = None


class Claimed(NamedTuple):
    """A step that this process may now run: the ledger says so."""

    job: int
    attempt: int
    step: int
    steps: tuple[str, ...]
    type: str
    recipe_id: int
    failures: int
    payload: Mapping[str, Any]
    results: Mapping[str, Any]
    now: datetime
    #: Which part of the step it is, from 0; None if it is the whole.
    part: int | None = None

    @property
    def ticket(self) -> Ticket:
        """The ticket that this claim was made with."""
        return Ticket(self.job, self.attempt, self.steps[self.step])


class StepText(NamedTuple):
    """A text that is sent when its step is complete; a token is one text, ever."""

    token: str
    recipient: str
    body: str


class Completion(NamedTuple):
    """The report that a step is done, and where the job goes next (None: nowhere, it is done).

    With `hand_over` the job waits in the ledger for its next step: it goes to, or comes from, an agent.
    With a `lease` in seconds the worker that reports claims the next step itself, if nothing is in the way.
    """

    ticket: Ticket
    result: str
    outcome: str | None = None
    next_step: int | None = None
    next_queue: str | None = None
    next_agent: bool | None = None
    hand_over: bool = False
    lease: float | None = None
    #: The event that the next step waits for; its limit, or how long the step is not begun, in seconds.
    next_event: str | None = None
    wait: float | None = None
    ready_at: datetime | None = None
    texts: tuple[StepText, ...] = ()


class Progress(NamedTuple):
    """Status of a job after a report, and since when."""

    status: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Accepted:
    """Result of accepting requests: the ids of new jobs and their keys, and the number of duplicates."""

    jobs: Sequence[int]
    keys: Sequence[str | None]
    duplicates: int
