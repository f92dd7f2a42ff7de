"""The dispatcher: keeps a short window of messages in front of the workers, filled in deadline order.

A job is marked queued in a transaction that is committed before its message is published. If the
dispatcher dies in between, the message is missing, recovery notices that nobody holds the ticket and
puts the job back: nothing is lost, and a late twin of the message would carry a stale attempt.

While Redis takes no writes, no job is taken: all stay in the ledger, in their order, and the ledger says why.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from celery import Celery
from sqlalchemy import Engine

from hms_act.broker_watch import BrokerWatch
from hms_act.fronts import Fronts
from hms_act.order.planner import Planner
from hms_act.recovery import SWEEP_SECONDS, Recovery
from hms_act.schedules.intake import Begin
from hms_act.schedules.scheduler import Scheduler, SchedulerThread
from hms_act.upkeep import Indexing, LogMonths, Retention
from hms_act.waiting.child_jobs import ChildWaits
from hms_act.waiting.parts import Parts
from hms_act.waiting.waits import Waits
from hms_oms.broker import broker_state, celery_settings, publishing, waiting_tickets
from hms_oms.daemon import daemon, leader_election
from hms_oms.daemon.isolation import Apart
from hms_oms.daemon.leader_election import Lease
from hms_oms.database import connections, refusals, statements
from hms_oms.database.connections import RawConnection
from hms_oms.database.refusals import Refusal
from hms_oms.jobs import ledger
from hms_oms.jobs.records import Band, Taken
from hms_oms.jobs.tickets import Ticket
from hms_oms.queues.dispatch_windows import Window, charge
from hms_oms.recipes import registry
from hms_oms.recipes.recipes import Recipe
from hms_oms.retention.pruner import Pruner
from hms_oms.runtime import sentinel
from hms_oms.runtime.errors import RecipeUnreadable

#: While a window is full and the backlog has more, it is looked at this often, in seconds ...
BUSY_SECONDS = 0.02
#: ... and otherwise this often, should a notification have been missed.
IDLE_SECONDS = 1.0
#: How often it is looked whether jobs that wait for others with their key may go, while there are such, in
#: seconds, and the share of the time that these looks may take.
LET_IN_SECONDS, LET_IN_SHARE = 0.05, 0.1
#: How often the dispatcher reports to the ledger that it is at work, in seconds; a change at once.
REPORT_SECONDS = 2.0
#: How often it looks whether tables have grown so much that statements have to be planned again, in seconds.
ANALYZE_SECONDS = 1.0
#: A window is made for the throughput of the last so many seconds: what comes after a lull is soon fast.
RATE_SECONDS = 0.25
#: A publish that Redis does not take in so many seconds has failed.
PUBLISH_SECONDS = 3
#: While no job is open, what is lost is looked for so often, in seconds: only workers may be.
QUIET_SWEEP_SECONDS = 5.0
#: The share of the time that looks for an open job may take.
QUIET_SHARE = 0.05
#: The lease under which a job is failed whose recipe cannot be read, in seconds.
UNREADABLE_SECONDS = 30.0


class Dispatcher:
    """Each turn fills every window once from the front of its queue."""

    least_seconds = 0.002

    def __init__(
        self,
        app: Celery,
        engine: Engine,
        connection: RawConnection,
        recovery: Recovery,
        broker_watch: BrokerWatch,
    ) -> None:
        self.app = app
        self.engine = engine
        self.connection = connection
        self.recovery = recovery
        self.broker_watch = broker_watch
        self._swept = 0.0
        self._reported = float("-inf")
        self._analyzed = float("-inf")
        self._refusal: Refusal | None = None
        self._trouble: str | None = None
        self._apart = Apart()
        self._recipes: dict[int, Recipe] = {}
        self._rates: dict[str, StartRate] = {}
        self._fronts = Fronts(engine)
        self.planner = Planner(connection)
        self._let_in_from = self._let_in_pause = 0.0
        self._quiet_from = float("-inf")
        self._is_busy = False
        self._settlings = [kind(connection, self._recipe) for kind in (Waits, ChildWaits, Parts)]

    def turn(self) -> float:
        """Recover, wake, fill the windows; return how long to sleep unless the backlog changes earlier."""
        self._report()
        is_quiet = not self._is_busy and self._is_quiet()
        if time.monotonic() - self._swept >= (QUIET_SWEEP_SECONDS if is_quiet else SWEEP_SECONDS):
            self._swept = time.monotonic()
            with self._apart.doing("recovery"):
                shows = self._refusal is None or self._refusal.kind in refusals.READABLE
                self.recovery.sweep(messages=shows, in_flight_from=self._fronts.in_flight_from)
        if is_quiet:
            return IDLE_SECONDS
        self._refresh_statistics()
        seconds = min(IDLE_SECONDS, ledger.wake(self.connection))
        with self._apart.doing("letting in jobs that have waited for others"):
            seconds = min(seconds, self._let_in())
        for settling in self._settlings:
            with self._apart.doing(settling.what):
                seconds = min(seconds, settling.look())
        if self._refusal is not None:
            return seconds
        windows = self._fronts.windows(self.connection)
        # While there is work it is not asked whether there is any.
        self._is_busy = any(window.front is not None or window.queued for window in windows)
        with self._apart.doing("the plan"):
            self.planner.turn(windows)
        for window in windows:
            if self.broker_watch.refusal is not None:
                # It was noticed meanwhile: each queue would wait for it.
                break
            with self._apart.doing(f"queue {window.queue}"):
                self._fill(window)
                if window.front is not None and (window.slots or window.size):
                    seconds = BUSY_SECONDS
        return seconds

    def _is_quiet(self) -> bool:
        """Whether no job is open; unknown, and so not, while many dead rows make that take long to see."""
        began = time.monotonic()
        if began < self._quiet_from:
            return False
        is_open = ledger.is_open(self.connection)
        ended = time.monotonic()
        if ended - began > QUIET_SHARE * IDLE_SECONDS:
            self._quiet_from = ended + (ended - began) / QUIET_SHARE
        return not is_open

    def _let_in(self) -> float:
        """Let jobs in that have waited for others with their key; return when to look again, in seconds."""
        began = time.monotonic()
        if began >= self._let_in_from:
            _, keys = ledger.let_in(self.connection)
            took = time.monotonic() - began
            # With many keys a look takes long: it is made in a small share of the time.
            self._let_in_pause = max(LET_IN_SECONDS, took / LET_IN_SHARE) if keys else 0.0
            self._let_in_from = began + self._let_in_pause
        return self._let_in_pause or IDLE_SECONDS

    def _fill(self, window: Window) -> None:
        """Fill one window from the front of its queue."""
        rate = self._rates.setdefault(window.queue, StartRate())
        room = window.room(rate.per_second(time.monotonic()))
        if window.front is None or not room:
            return
        share = self.planner.share(window, room)
        last = Band.KEPT if window.holds_back else Band.GIVEN_UP
        taken = self._take(window.queue, room - share, window.front.band, last)
        self.planner.started(window, taken)
        if share:
            taken += self._take(window.queue, share, Band.GIVEN_UP)
        if window.starts_allowed is not None:
            charge(self.connection, window.queue, len(taken))
        self.publish(window.queue, taken)
        rate.add(time.monotonic(), len(taken))

    def _take(self, queue: str, count: int, band: Band, last: Band = Band.GIVEN_UP) -> list[Taken]:
        """Take from the front of a band on, up to the band `last`."""
        if not count or band > last:
            return []
        taken = ledger.take(self.connection, queue, count, self._fronts.place(queue, band), last)
        self._fronts.passed(queue, taken)
        return taken

    def _report(self) -> None:
        """Tell the ledger that the dispatcher is at work, and whether Redis takes what it publishes."""
        refusal, now = self.broker_watch.refusal, time.monotonic()
        trouble = self._apart.words
        known = (refusal, trouble) == (self._refusal, self._trouble)
        if not known or now - self._reported >= REPORT_SECONDS:
            broker_state.report(self.connection, refusal, trouble)
            self._refusal, self._trouble, self._reported = refusal, trouble, now

    def _refresh_statistics(self) -> None:
        """Have statements planned for the size that a young or a suddenly longer ledger has now."""
        now = time.monotonic()
        if now - self._analyzed >= ANALYZE_SECONDS:
            self._analyzed = now
            with self._apart.doing("statistics"):
                statements.run_raw(self.connection, "refresh_statistics", {})

    def publish(self, queue: str, taken: Sequence[Taken]) -> None:
        """Publish the chains of jobs that have just been marked queued in `queue`, in one batch.

        A job that was moved stands in another queue than its recipe says: the ledger's word counts.
        """
        with self.app.producer_pool.acquire(block=True) as producer, producer.batch():
            for job in taken:
                recipe = self._recipe(job.recipe_id)
                if recipe is None:
                    self._fail_unreadable(job)
                    continue
                first, *rest = publishing.chain(self.app, recipe, job.job, job.attempt, job.step, job.part)
                publishing.publish(
                    self.app,
                    producer,
                    first.task,
                    first.options["task_id"],
                    queue=queue,
                    priority=first.options["priority"],
                    time_limit=first.options["time_limit"],
                    rest=rest[::-1],
                )

    def _recipe(self, number: int) -> Recipe | None:
        """The recipe that jobs were accepted under; None where the ledger's snapshot cannot be read."""
        if number not in self._recipes:
            with self._apart.doing(f"reading recipe snapshot {number}"):
                self._recipes[number] = registry.snapshot(self.connection, number)
        return self._recipes.get(number)

    def _fail_unreadable(self, job: Taken) -> None:
        """Fail a job that nobody can run: it would be taken again and again, and fill the window."""
        ticket = Ticket(job.job, job.attempt, job.steps[job.step])
        error = RecipeUnreadable(job.recipe_id)
        if ledger.claim(self.connection, [(ticket, UNREADABLE_SECONDS)], "dispatcher"):
            reason = {"type": type(error).__name__, "message": str(error), "traceback": ""}
            ledger.fail(self.connection, ticket, reason, retry_after=None, worker="dispatcher")


class StartRate:
    """How many jobs a second were started lately, over the last `RATE_SECONDS`."""

    def __init__(self) -> None:
        self._started: deque[tuple[float, int]] = deque()

    def add(self, now: float, count: int) -> None:
        """Note that `count` jobs were started at `now` (monotonic seconds)."""
        self._started.append((now, count))

    def per_second(self, now: float) -> float:
        """The number started lately, up to `now`."""
        while self._started and self._started[0][0] < now - RATE_SECONDS:
            self._started.popleft()
        return sum(count for _, count in self._started) / RATE_SECONDS


def make_app(broker_url: str) -> Celery:
    """A Celery application that only publishes."""
    app = Celery("hms_act", set_as_current=False)
    app.config_from_object(celery_settings.load())
    sentinel.configure(app, broker_url)
    options = app.conf.broker_transport_options
    app.conf.broker_transport_options = {**options, "socket_timeout": PUBLISH_SECONDS}
    return app


def run(
    database_url: str,
    broker_url: str,
    home: Path,
    direct_url: str | None = None,
    pruner: Callable[[], Pruner] | None = None,
    scheduler: Callable[[Begin], Scheduler] | None = None,
) -> None:
    """The daemon: lead or stand by until SIGTERM; its sign of life is kept in `home`.

    `direct_url` leads around a pooler. Beside the dispatching, `pruner` removes what is over its time, and
    `scheduler` starts what is due.
    """
    app = make_app(broker_url)
    engine = connections.engine(database_url)
    broker_watch = BrokerWatch(broker_url)
    broker_watch.start()

    def lead(lease: Lease) -> Dispatcher:
        Indexing(lease, engine, stop).start()
        LogMonths(lease, engine, stop).start()
        if pruner is not None:
            Retention(lease, engine, stop, pruner()).start()
        if scheduler is not None:
            SchedulerThread(scheduler, lease, engine, stop).start()
        client = waiting_tickets.client(broker_url)
        recovery = Recovery(lease.connection, client, leader_election.watched(lease))
        return Dispatcher(app, engine, lease.connection, recovery, broker_watch)

    with daemon.stop_on_signals() as stop:
        daemon.serve("act", direct_url or database_url, ["oms_backlog"], lead, stop, home)
