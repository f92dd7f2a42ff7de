"""A checker of what pages and texts say: each number in a sentence is compared with the ledger.

The ledger keeps when each job was accepted, begun and ended, and so tells how it stood at any moment. A
number is true if it lies between how the ledger stood at the moment of which the page says that its numbers
are, and how it stands once the page was read. What is forecast is worked out here again, job by job, from the
same rows. A number that no pattern knows is a fault, too: nobody would notice if it were wrong.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from math import ceil

import sqlalchemy as sa

#: What a page read at one moment was measured at most this long before.
MEASURED = timedelta(seconds=2.5)
#: Moments between two readings are so far apart.
STEP = timedelta(milliseconds=250)
#: What has just happened is seen by others this long after the moment that it bears: it is not committed yet.
UNSEEN = timedelta(milliseconds=250)
#: No remedy is for deadlines that are nearer than this: nobody acts so fast.
NEAR = timedelta(seconds=5)


@dataclass(frozen=True)
class Job:
    """A job with its moments; None: not yet."""

    accepted: datetime
    due: datetime
    begun: datetime | None
    ended: datetime | None


@dataclass(frozen=True)
class Moment:
    """How a queue stood at `at`: its `open` jobs in the order of their deadlines, and the `ended` ones."""

    at: datetime
    open: Sequence[Job]
    ended: Sequence[Job]
    limit: int | None

    @property
    def late(self) -> list[Job]:
        """Open jobs past their deadline."""
        return [job for job in self.open if job.due < self.at]

    @property
    def missed(self) -> int:
        """Jobs that are late, or were when they ended."""
        return len(self.late) + sum(1 for job in self.ended if job.ended and job.ended > job.due)

    @property
    def waiting(self) -> int:
        """Open jobs that have not begun."""
        return sum(1 for job in self.open if job.begun is None or job.begun > self.at)

    @property
    def will_be_late(self) -> list[Job]:
        """Jobs whose deadline is ahead and passes before the limit lets them start."""
        held = [job for job in self.open if job.begun is None or job.begun > self.at]
        if self.limit is None:
            return []
        apart = timedelta(minutes=1) / self.limit
        return [
            job
            for place, job in enumerate(held, 1)
            if job.due >= self.at and self.at + place * apart > job.due
        ]

    @property
    def enough(self) -> int:
        """The starts a minute that hold every deadline ahead that anybody can still hold."""
        needed = 0.0
        for due in {job.due for job in self.open if job.due > self.at + NEAR}:
            ahead = sum(
                1 for job in self.open if job.due <= due and (job.begun is None or job.begun > self.at)
            )
            needed = max(needed, 60 * ahead / (due - self.at).total_seconds())
        return ceil(needed)

    @property
    def done_at(self) -> datetime:
        """When the last open job is done at the throughput of the limit."""
        apart = timedelta(minutes=1) / self.limit if self.limit else timedelta()
        return self.at + len(self.open) * apart


class Ledger:
    """The ledger of one queue, asked how it stood with the jobs accepted since `since` (None: with all).

    People read times of `zone`.
    """

    def __init__(self, engine: sa.Engine, queue: str, zone: tzinfo) -> None:
        self.engine, self.queue, self.zone = engine, queue, zone
        self.since: datetime | None = None

    def now(self) -> datetime:
        """The ledger's clock."""
        with self.engine.connect() as connection:
            value: datetime = connection.execute(sa.text("select oms.now()")).scalar_one()
            return value

    def value(self, query: str) -> object:
        """The one value of a query about the queue."""
        with self.engine.connect() as connection:
            return connection.execute(sa.text(query), {"queue": self.queue}).scalar_one()

    def between(self, since: datetime, until: datetime) -> list[Moment]:
        """How the queue stood from `since` until `until`; limits are those of now."""
        with self.engine.connect() as connection:
            rows = connection.execute(sa.text(_JOBS), {"queue": self.queue, "since": self.since}).all()
            limit = connection.execute(sa.text(_LIMIT), {"queue": self.queue}).scalar_one()
        jobs = [Job(*row) for row in rows]
        steps = [since + place * STEP for place in range(int((until - since) / STEP) + 1)]
        # Between two steps jobs can become late and others end: the most are late as soon as they are due.
        passed = {job.due + timedelta(milliseconds=1) for job in jobs if since < job.due < until}
        return [
            _moment(jobs, at, limit, unseen)
            for at in (*steps, *sorted(passed), until)
            for unseen in (timedelta(), UNSEEN)
        ]

    def clock(self, at: datetime) -> str:
        """A moment as people read it."""
        return f"{at.astimezone(self.zone):%H:%M}"


@dataclass(frozen=True)
class Span:
    """What lies between the two readings of the ledger, for the checks of single numbers."""

    ledger: Ledger
    moments: Sequence[Moment]

    def number(self, said: str, of: Callable[[Moment], float], slack: float = 0) -> str | None:
        """None if a number was so in between; otherwise what the ledger says."""
        values = [of(moment) for moment in self.moments]
        least, most = min(values) - slack, max(values) + slack
        return None if least <= float(said.replace(",", "")) <= most else f"{least:g} to {most:g}"

    def time(self, said: str, of: Callable[[Moment], Iterable[datetime]], slack: float = 0) -> str | None:
        """None if a time of day is one of the ledger's; otherwise what the ledger says."""
        about = [timedelta(seconds=seconds) for seconds in (-slack, 0, slack)]
        times = {
            self.ledger.clock(at + more) for moment in self.moments for at in of(moment) for more in about
        }
        return None if said in times else ", ".join(sorted(times)) or "none"

    def counted(self, said: str, query: str) -> str | None:
        """None if the ledger counts as many; otherwise how many."""
        counted = f"{self.ledger.value(query)}"
        return None if said.replace(",", "") == counted else counted

    def is_set(self, said: str, column: str) -> str | None:
        """None if the queue is set so; otherwise what is set."""
        value = self.ledger.value(f"select {column} from oms.queues where name = :queue")
        output = self.ledger.clock(value) if isinstance(value, datetime) else f"{value}"
        return None if said.replace(",", "") == output else output


Check = Callable[[str, Span], str | None]


def _oldest(said: str, span: Span) -> str | None:
    """How long the oldest late job is late, in one unit, the rest cut off."""
    number, unit = said.split()
    item = {"s": 1, "min": 60, "h": 3600}[unit]
    return span.number(
        number,
        lambda at: max((int((at.at - job.due).total_seconds()) for job in at.late), default=-1) // item,
    )


def _worst(said: str, span: Span) -> str | None:
    """How late the worst job was, as it was seen last: a look, or a second, before its end."""
    number, unit = said.split()
    item = {"s": 1, "min": 60, "h": 3600}[unit]

    def worst(at: Moment) -> float:
        return max(
            (((job.ended or at.at) - job.due).total_seconds() for job in (*at.ended, *at.late)), default=0
        )

    return span.number(number, lambda at: worst(at) // item, 1.5)


def _enough(said: str, span: Span) -> str | None:
    """The limit that holds what can be held; if nothing can be held any more, one that is higher."""
    number = int(said.replace(",", ""))
    if any(moment.late and not moment.enough for moment in span.moments):
        return _above_the_limit(said, span)
    # It is rounded up to two digits.
    return span.number(said, lambda at: at.enough, 3 + 0.2 * number)


def _missing(said: str, span: Span) -> str | None:
    """How many slots are missing, as the watch has published it: the need of now moves from look to look."""
    needed = span.ledger.value(
        "select coalesce(max(value), 0)::int from ops.metrics"
        " where queue = :queue and name = 'forecast.slotsNeeded'"
    )
    live = span.ledger.value(
        "select coalesce(sum(slots - slots_lost), 0)::int from oms.workers where :queue = any(queues)"
    )
    missing = int(f"{needed}") - int(f"{live}")
    return None if abs(int(said.replace(",", "")) - missing) <= 2 + missing // 4 else f"{missing}"


def _above_the_limit(said: str, span: Span) -> str | None:
    """What all slots could do is more than the limit."""
    limits = [moment.limit or 0 for moment in span.moments]
    return None if int(said.replace(",", "")) > min(limits) else f"a limit of {min(limits)}"


def _given_up(said: str, span: Span) -> str | None:
    """How many were given up by a plan: no more than are open, for the next plan may keep some again."""
    most = max(len(moment.open) for moment in span.moments)
    return None if 0 < int(said.replace(",", "")) <= most else f"1 to {most}"


def _given_up_since(said: str, span: Span) -> str | None:
    """Since when some are given up: what has been kept again meanwhile leaves no trace of it."""
    jobs = [job for moment in span.moments for job in moment.open]
    first = min((job.accepted for job in jobs), default=span.moments[0].at)
    minutes = int((span.moments[-1].at - first).total_seconds() // 60) + 1
    times = {span.ledger.clock(first + timedelta(minutes=minute)) for minute in range(minutes + 1)}
    return None if said in times else f"{span.ledger.clock(first)} at the earliest"


def _first(jobs: Sequence[Job]) -> list[datetime]:
    return [min(job.due for job in jobs)] if jobs else []


def _sum(said: str) -> str:
    """`1,196 ready, 8 queued` as one number."""
    return str(sum(int(number.replace(",", "")) for number in re.findall(_NUMBER, said)))


#: How a number is compared, by the name that the patterns give it.
CHECKS: Mapping[str, Check] = {
    "queues": lambda said, span: span.counted(said, "select count(*) from oms.queues where :queue <> ''"),
    "late": lambda said, span: span.number(said, lambda at: len(at.late)),
    "missed": lambda said, span: span.number(said, lambda at: at.missed),
    # Those that have just been let start, and the second saved up, are a job or two.
    "will_be": lambda said, span: span.number(said, lambda at: len(at.will_be_late), 2),
    "open": lambda said, span: span.number(said, lambda at: len(at.open)),
    "not_begun": lambda said, span: span.number(_sum(said), lambda at: at.waiting),
    "running": lambda said, span: span.number(said, lambda at: len(at.open) - at.waiting),
    "late_since": lambda said, span: span.time(said, lambda at: _first(at.late)),
    "late_from": lambda said, span: span.time(said, lambda at: _first(at.will_be_late)),
    "tightest": lambda said, span: span.time(said, lambda at: [job.due for job in at.open]),
    "last_due": lambda said, span: span.time(
        said, lambda at: [max(job.due for job in at.open)] if at.open else []
    ),
    "done_at": lambda said, span: span.time(said, lambda at: [at.done_at], 6),
    "clear": lambda said, span: span.time(said, lambda at: [at.at]),
    "oldest": _oldest,
    "limit": lambda said, span: span.is_set(said, "starts_per_minute"),
    "set_by": lambda said, span: span.is_set(said, "starts_set_by"),
    "set_at": lambda said, span: span.is_set(said, "starts_set_at"),
    "enough": _enough,
    "sooner": _above_the_limit,
    "worst": _worst,
    "missing": _missing,
    "given_up": _given_up,
    "given_up_since": _given_up_since,
}

_NUMBER = r"[\d,]+"
_CLOCK = r"\d\d:\d\d(?: [A-Z]{2,5})?"
#: What sentences say; the names are those of `CHECKS`.
PATTERNS = [
    re.compile(
        pattern.replace("<n>", _NUMBER).replace("<t>", r"\d\d:\d\d").replace("<z>", r"(?: [A-Z]{2,5})?")
    )
    for pattern in (
        r"(?P<late><n>) jobs? (?:of \S+ (?:is|are) )?late",
        r"late since (?P<late_since><t>)<z>",
        r"oldest (?P<oldest>\d+ (?:s|min|h))",
        r"(?P<will_be><n>) more will be",
        r"(?P<will_be><n>) jobs? (?:of \S+ )?will be late",
        r"will be late from (?P<late_from><t>)<z>(?: \((?:<n> % likely at <t><z>|by throughput alone)\))?",
        r"the last one done by (?P<done_at><t>)<z>(?:, due (?P<last_due><t>)<z>)?",
        r"[Nn]o more than (?P<limit><n>) jobs? a minute may start",
        r"\((?P<given_up><n>) given up(?: since (?P<given_up_since><t>)<z>)?",
        r"\(set by (?P<set_by>\S+) at (?P<set_at><t>)<z>\)",
        r"limit (?P<limit><n>) a minute",
        r"raise the limit to (?P<sooner><n>) to have them done sooner",
        r"raise the limit to (?P<enough><n>)",
        r"add (?:<n>) workers? \((?P<missing><n>) slots?\)",
        r"the tightest deadline is (?P<tightest><t>)<z>",
        r"no job is late or will be since (?P<clear><t>)<z>",
        r"(?P<not_begun><n> (?:ready|delayed|queued)(?:, <n> (?:delayed|queued))*)",
        r"(?P<running><n>) running",
        r"(?P<missed><n>) jobs? (?:was|were) late(?:, the worst by (?P<worst>\d+ (?:s|min|h)))?",
        r"All (?P<queues><n>) queues are on track",
        r"over at (?P<clear><t>)<z>",
    )
]


def faults(place: str, sentence: str, span: Span) -> list[str]:
    """What is untrue in a sentence, or is not known to be true; nothing is best."""
    left, result = re.sub(r"#[A-Z]\d+|\bACK [A-Z]\d+", "", sentence), []
    for pattern in PATTERNS:
        for match in pattern.finditer(left):
            for name, said in match.groupdict().items():
                truth = CHECKS[name](said, span) if said is not None else None
                if truth is not None:
                    result.append(f"{place} says {name} {said!r}, the ledger {truth}: {sentence!r}")
        left = pattern.sub(lambda match: re.sub(_CLOCK + r"|\d[\d,]*", "", match.group()), left)
    if re.search(r"\d", left):
        result.append(f"{place} says a number that nothing is compared with: {left!r}")
    return result


def _moment(jobs: Sequence[Job], at: datetime, limit: int | None, unseen: timedelta) -> Moment:
    """How the queue stood at a moment for those who do not see yet what ended within `unseen` before it."""
    known = [job for job in jobs if job.accepted <= at]
    still = [job for job in known if job.ended is None or job.ended > at - unseen]
    return Moment(
        at, sorted(still, key=lambda job: job.due), [job for job in known if job not in still], limit
    )


_JOBS = """
select created_at, sla, started_at, finished_at
from oms.jobs
where queue = :queue and created_at >= coalesce(:since, '-infinity')
order by sla, id
"""
_LIMIT = "select starts_per_minute from oms.queues where name = :queue"
