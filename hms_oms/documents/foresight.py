"""What is foreseen: of a change, of a new job, and of more workers."""

from __future__ import annotations

from dataclasses import dataclass

from hms_oms.documents.document import Document, Moment

#: A forecast is for so many workers at most.
MOST_WORKERS = 10_000


@dataclass(frozen=True, slots=True)
class Outlook(Document):
    """How the `open` jobs of a queue will fare: `on_time` is their share, None of none; `late` jobs miss it.

    Late are those past their deadline, and those that will miss it, some because they are `given_up`.
    """

    open: int
    on_time: float | None
    late: int
    given_up: int


@dataclass(frozen=True, slots=True)
class Effect(Document):
    """What a change would do to the open jobs of a queue if nothing else changes.

    `into_risk` and `out_of_risk` name up to a hundred jobs that would be late because of it, or would
    no longer be, the nearest deadline first; their numbers are those of all of them.
    """

    queue: str
    before: Outlook
    after: Outlook
    into_risk: tuple[str, ...]
    into_risk_jobs: int
    out_of_risk: tuple[str, ...]
    out_of_risk_jobs: int


@dataclass(frozen=True, slots=True)
class Quoted(Document):
    """What a new job could expect; nothing was started.

    With its `deadline` it would end at `predicted_end` (None: never) and be late with the chance
    `late_chance`, and `others_late` jobs would be late because of it. It `holds` if neither is to be feared.
    With the deadline `earliest` it would be on time in 95 of 100 cases, and no other job late because of it.
    All of these are None if nobody can tell: then `unknown` says why. The `queue` is that of its first step.
    """

    type: str
    queue: str
    deadline: Moment
    holds: bool | None
    late_chance: float | None
    others_late: int | None
    predicted_end: Moment | None
    earliest: Moment | None
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class Staffing(Document):
    """How the open jobs of a queue would fare with so many workers, with so many slots in all.

    The last of them would be done at `done_at` (None: never).
    """

    workers: int
    slots: int
    outlook: Outlook
    done_at: Moment | None


@dataclass(frozen=True, slots=True)
class DoneBy(Document):
    """When the last `job` of the line of a queue is done, as was said `at` some moment.

    That is as likely before `median` as after it, and before `latest` in 95 of 100 cases. It is learnt from
    so many settled forecasts; until enough are, it `is_learnt` not, and rests on how works vary.
    """

    job: str
    at: Moment
    median: Moment
    latest: Moment
    learnt_from: int
    is_learnt: bool


@dataclass(frozen=True, slots=True)
class QueueForecast(Document):
    """How a queue fares with its workers of now, and with as many as were asked for.

    `workers_needed` with `slots_needed` keep each deadline that can be kept on average, `workers_sure` with
    `slots_sure` in 95 of 100 cases; `deadline` is the one that asks for the most. Those that wait are
    `done_by` then. That was foreseen at `forecast_at`. None: too little was measured.
    """

    queue: str
    present: Staffing | None
    asked: Staffing | None
    workers_needed: int | None
    slots_needed: int | None
    workers_sure: int | None
    slots_sure: int | None
    deadline: Moment | None
    forecast_at: Moment | None
    done_by: DoneBy | None = None
