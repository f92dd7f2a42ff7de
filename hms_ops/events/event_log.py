"""Follows the event log of the ledger: every step that was begun or ended is found once, by ear or by sweep.

The tickets that were heard are looked up at once. Behind that a sweep reads the numbers of all lines that
were written meanwhile, and looks up those that nobody has heard of. A line counts by its number, so nothing
that events do (get lost, come twice or in any order) can make it count twice or not at all.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter

from sqlalchemy import Connection, text

from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes import registry
from hms_oms.recipes.recipes import Recipe
from hms_ops.statements import statement
from hms_ops.stats.sliding_window import WINDOW_SECONDS
from hms_ops.stats.waits import BEGINNINGS, ENDINGS, Begun, Ended, Line, read

#: The most jobs that are looked up in one statement, and by ear in one look; the sweep finds the others.
PAGE = 2000
MOST_JOBS = 4000
#: The most lines whose numbers one sweep reads, and the most unheard ones that it looks up; the next one goes
#: on from there.
MOST_READ, MOST_SWEPT = 40_000, 10_000
#: The most lines that are remembered as counted ahead of the sweep.
MOST_AHEAD = 300_000
#: A step may be heard to begin before its claim can be seen: it is looked up so many times.
LOOKS = 4
#: A line may be written by a transaction that is still open; after so many seconds it is not waited for.
SETTLE_SECONDS = 30.0
#: How often the end of the event log is marked at most, in seconds, and the most marks: for longer than that.
MARK_SECONDS = 0.25
MOST_MARKS = 200
#: In place of a queue: not heard, but found by the sweep beside what it was looking for.
_UNANNOUNCED = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """All lines up to `line` were written by transactions before `transaction`."""

    line: int
    transaction: int
    made: float


@dataclass(slots=True)
class Found:
    """New events of the event log, with the number per queue that came by a worker's event or by a sweep."""

    steps: list[Begun | Ended] = field(default_factory=list)
    announced: Counter[str] = field(default_factory=Counter)
    swept: Counter[str] = field(default_factory=Counter)


class EventLog:
    """Remembers how far the event log was read; bounded, however much is written and heard."""

    def __init__(self, hearing: float) -> None:
        """With `hearing`, the sweep leaves a line for so many seconds to those who are heard of it."""
        #: Tickets that were heard, but left to the sweep because there were too many.
        self.dropped = 0
        #: Whether the last sweep has left lines to the next one.
        self.behind = False
        #: Whether the five minutes before the first look have been read.
        self.caught_up = False
        self._swept = 0
        self._hearing = hearing
        self._marks: deque[Mark] = deque(maxlen=MOST_MARKS)
        # What was counted ahead of the sweep, with the queue in which it was heard.
        self._ahead: dict[int, str] = {}
        self._again: dict[int, int] = {}
        self._recipes: dict[int, Recipe | None] = {}

    def follow(self, connection: Connection, tickets: Iterable[str], now: float) -> list[Begun | Ended]:
        """The steps that these tickets tell of; `now` is the ledger's clock, in seconds since 1970."""
        tries = dict.fromkeys(_jobs(tickets), LOOKS)
        tries = {**self._again, **tries}
        if len(self._ahead) > MOST_AHEAD:
            self.dropped += len(tries)
            self._again = {}
            return []
        self.dropped += max(0, len(tries) - MOST_JOBS)
        jobs = list(tries)[:MOST_JOBS]
        events: list[Begun | Ended] = []
        silent = set(jobs)
        for job, step in list(self._look_up(connection, jobs, now)):
            self._ahead[step.line] = step.queue
            events.append(step)
            silent.discard(job)
        self._again = {job: tries[job] - 1 for job in silent if tries[job] > 1}
        return events

    def sweep(self, connection: Connection, now: float) -> Found:
        """The steps of which nobody has heard, among the lines that are settled."""
        sweep_result = Found()
        until = self._settled(connection)
        if until <= self._swept:
            self.behind = False
            self.caught_up = self.caught_up or not self._marks
            return sweep_result
        rows = connection.exec_driver_sql(
            statement("measure_unannounced"),
            {
                "after": self._swept,
                "until": until,
                "since": now - WINDOW_SECONDS,
                "facts": [fact.value for fact in BEGINNINGS | ENDINGS],
                "limit": MOST_READ,
            },
        ).all()
        unannounced = [row for row in rows if row.id not in self._ahead]
        self.behind = len(rows) == MOST_READ or len(unannounced) > MOST_SWEPT
        if len(unannounced) > MOST_SWEPT:
            until = unannounced[MOST_SWEPT - 1].id
        elif self.behind:
            until = rows[-1].id
        sweep_result.announced.update(queue for line, queue in self._ahead.items() if queue and line <= until)
        jobs = list({row.job_id for row in unannounced if row.id <= until})
        for _, step in list(self._look_up(connection, jobs, now)):
            sweep_result.steps.append(step)
            sweep_result.swept[step.queue] += 1
            if step.line > until:
                self._ahead[step.line] = _UNANNOUNCED
        self._swept = until
        self.caught_up = self.caught_up or not self.behind
        self._ahead = {line: queue for line, queue in self._ahead.items() if line > until}
        return sweep_result

    def _settled(self, connection: Connection) -> int:
        """Up to which number all lines that will ever be there can be seen."""
        now = time.monotonic()
        running = self._mark(connection, now)
        hearing = self._hearing if self.caught_up else 0.0
        settled = self._swept
        while self._marks and now - self._marks[0].made >= hearing:
            if self._marks[0].transaction > running and now - self._marks[0].made < SETTLE_SECONDS:
                break
            settled = max(settled, self._marks.popleft().line)
        return settled

    def _mark(self, connection: Connection, now: float) -> int:
        """Mark the end of the event log; return the oldest transaction that is still running."""
        # A line gets its number in a transaction that has one already, so anyone who draws a number up to
        # `line` does so in a transaction before `following`; those are over when none before it is running.
        line = connection.scalar(
            text("select case when is_called then last_value else 0 end from oms.job_events_id_seq")
        )
        running, following = connection.execute(
            text(
                "select pg_snapshot_xmin(shot)::text::bigint, pg_snapshot_xmax(shot)::text::bigint"
                " from pg_current_snapshot() as shot"
            )
        ).one()
        if not self._marks or now - self._marks[-1].made >= MARK_SECONDS:
            self._marks.append(Mark(line or 0, following, now))
        return int(running)

    def _look_up(
        self, connection: Connection, jobs: Sequence[int], now: float
    ) -> Iterator[tuple[int, Begun | Ended]]:
        """The steps of these jobs that have not been counted yet, with their jobs."""
        for start in range(0, len(jobs), PAGE):
            page = {"jobs": jobs[start : start + PAGE]}
            rows = connection.exec_driver_sql(statement("measure_lives"), page).all()
            for job, life in itertools.groupby(rows, key=itemgetter(0)):
                lines = list(life)
                recipe = self._recipe(connection, lines[0].recipe)
                if recipe is None:
                    continue
                for step in read([Line(*line[3:]) for line in lines], recipe, lines[0].planned):
                    if (
                        step.line > self._swept
                        and step.line not in self._ahead
                        and step.at > now - WINDOW_SECONDS
                    ):
                        yield job, step

    def _recipe(self, connection: Connection, number: int) -> Recipe | None:
        if number not in self._recipes:
            self._recipes = {number: None, **registry.snapshots(connection)}
        return self._recipes[number]


def _jobs(tickets: Iterable[str]) -> Iterator[int]:
    for ticket in tickets:
        try:
            yield Ticket.parse(ticket).job
        except ValueError:  # another application's task
            continue
