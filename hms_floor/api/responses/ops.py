"""Incidents, who is called about them, and how promises were kept."""

from __future__ import annotations

from datetime import date

from hms_floor.api.responses import Answer, Json, Moment


class Incident(Answer):
    """One incident; `title` is what its rule is about, `sentence` what is wrong.

    `stage` is how bad it is, null of what has no stages; `advice` is why, who has set that, and what would
    help.
    """

    id: int
    rule: str
    title: str
    sentence: str
    queue: str | None
    subject: str | None
    state: str
    stage: str | None
    advice: str | None
    reference: str | None
    facts: Json
    worst: float
    late_jobs: int
    active_at: Moment
    opened_at: Moment | None
    acknowledged_at: Moment | None
    acknowledged_by: str | None
    ack_expires_at: Moment | None
    resolved_at: Moment | None
    resolved_by: str | None
    reopened: int
    flapping: bool
    silenced: bool


class Happening(Answer):
    """One line of an incident's history."""

    at: Moment
    kind: str
    who: str | None
    detail: Json | None


class Action(Answer):
    """What somebody did to the queue at that time, as the audit trail has it."""

    at: Moment
    who: str
    action: str
    reason: str | None
    detail: Json | None


class TrendPoint(Answer):
    """The queue of an incident at a moment, or the most of it over the step around that; null is a gap."""

    at: Moment
    open: float | None
    late: float | None
    done_per_minute: float | None


class LateJob(Answer):
    """A job that was late in an incident: by how many seconds, until its end or so far.

    `name` is the text that its payload has under that name; masked for badges that may not see payloads.
    """

    job: str
    key: str | None
    name: str | None
    status: str
    deadline: Moment
    late_seconds: float


class LateJobs(Answer):
    """A page of them, and how many there are."""

    jobs: list[LateJob]
    total: int
    next: str | None


class Text(Answer):
    """A text and what became of it: its state, or its `fate` where it was merged into another one.

    Phones, and what applicants were told, are masked for badges that may not see payloads.
    """

    id: int
    kind: str
    page: bool
    incident: int | None
    job: str | None
    reference: str | None
    to: str
    body: str
    state: str
    fate: str
    merged_into: int | None
    attempts: int
    resend: bool
    sid: str | None
    fault: str | None
    created_at: Moment
    finished_at: Moment | None


class Texts(Answer):
    """The last texts, newest first."""

    texts: list[Text]


class IncidentWithTimeline(Incident):
    """One incident with all that happened to it, the first jobs that were late in it, and its last texts."""

    timeline: list[Happening]
    actions: list[Action]
    trend: list[TrendPoint]
    jobs: list[str]
    texts: list[Text]


class Incidents(Answer):
    """A page of incidents, newest first."""

    incidents: list[Incident]
    next: str | None


class Silence(Answer):
    """A time in which new incidents of a rule (null: any) in a queue (null: any) call nobody."""

    id: int
    rule: str | None
    queue: str | None
    starts_at: Moment
    ends_at: Moment
    reason: str
    set_by: str
    set_at: Moment
    ended_at: Moment | None
    ended_by: str | None


class Silences(Answer):
    """The silences that hold or are to come."""

    silences: list[Silence]


class Rung(Answer):
    """A step of the escalation policy: who is called how many minutes after the call began."""

    after_minutes: float
    recipients: list[str]


class Gap(Answer):
    """Hours of the week, by the document's clock, in which nobody stands on these steps (from 1).

    With `nobody` these are all the steps: what goes wrong then reaches nobody until the next shift begins.
    """

    begins: str
    ends: str
    hours: float
    steps: list[int]
    nobody: bool


class Span(Answer):
    """A stretch of time."""

    since: Moment
    until: Moment


class OnCall(Answer):
    """The on-call document in force, and who is on which step now; phones are masked for some.

    `gaps` are those of a plain week; `uncovered` is when nobody is on call in the coming seven days, changes
    of the clock included. `doubt` says why a text of now would reach nobody.
    """

    document: Json
    set_by: str | None
    set_at: Moment | None
    reason: str | None
    zone: str
    now: list[Rung]
    gaps: list[Gap]
    uncovered: list[Span]
    doubt: str | None


class Threshold(Answer):
    """A parameter of a rule as it stands, for one queue or (null) for all."""

    rule: str
    parameter: str
    queue: str | None
    value: float
    default: float
    set_by: str | None
    reason: str | None
    set_at: Moment | None


class Thresholds(Answer):
    """What each rule compares with."""

    thresholds: list[Threshold]


class Pulse(Answer):
    """The last beat of a program that must not fall silent."""

    name: str
    at: Moment | None
    age_seconds: float | None
    stale: bool
    detail: Json


class Part(Answer):
    """One part of the installation: its light (ok, warn, bad, unknown), and one sentence."""

    name: str
    light: str
    words: str


class Status(Answer):
    """Whether people are called: by the watch and the pager, and whether anybody would be reached."""

    ok: bool
    beats: list[Pulse]
    parts: list[Part]


class Tally(Answer):
    """Counted jobs, their on-time shares, and the 50th and the 95th percentile of `lateness` in seconds."""

    on_time: int
    late: int
    failed: int
    open_late: int
    ended: int
    missed: int
    share_of_ended: float | None
    share_of_due: float | None
    lateness: tuple[float, float] | None


class Miss(Answer):
    """A job that missed its deadline, and how many seconds of its time went into what."""

    job: str
    type: str
    queue: str
    status: str
    deadline: Moment
    finished_at: Moment | None
    late_seconds: float
    cause: str
    spent: dict[str, float]


class Kept(Answer):
    """How promises were kept from `since` until before `until`."""

    since: Moment
    until: Moment
    zone: str
    whole: Tally
    queues: dict[str, Tally]
    days: dict[date, Tally]
    worst: list[Miss]


class Days(Answer):
    """Day by day, oldest first; today is the last."""

    zone: str
    days: dict[date, Tally]


class Bucket(Answer):
    """How many jobs were late by less than `below` seconds (null: by more), and not in a lower bucket."""

    below: float | None
    jobs: int


class Lateness(Answer):
    """How late the misses from `since` until before `until` are."""

    since: Moment
    until: Moment
    buckets: list[Bucket]


class Point(Answer):
    """A metric over the step of time that begins at `at`: the mean of its samples, the least and the most."""

    at: Moment
    subject: str | None
    value: float
    least: float
    most: float


class History(Answer):
    """How a metric went from `since` until before `until`; steps without data are missing."""

    name: str
    queue: str | None
    unit: str
    since: Moment
    until: Moment
    step: int
    points: list[Point]


class Queued(Answer):
    """A text that waits to be handed over; `created` is false where its key was known."""

    token: str
    to: str
    created: bool


class Recipe(Answer):
    """A job type: its queue, its steps, and what its payload must hold."""

    type: str
    summary: str
    queue: str
    sla_minutes: float
    key: str | None
    steps: list[str]
    payload: Json


class Recipes(Answer):
    """Every job type that may be started."""

    recipes: list[Recipe]
