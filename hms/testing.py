"""Jobs in tests: run in the test's own process, on a PostgreSQL of their own whose clock can be moved.

No worker, no Redis and no dispatcher is needed. Each step is claimed, run and completed by the statements of
a worker, so what it writes, texts and returns is what it would be there. By the plugin for pytest each test
may have its own `Jobs` as the fixture `hms_jobs`.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
from sqlalchemy import Connection, text

from hms_act import accept
from hms_act.waiting import child_jobs
from hms_act.waiting.child_jobs import ChildWaits
from hms_act.waiting.parts import Parts
from hms_act.waiting.waits import Waits
from hms_floor.cli.installation import preparing
from hms_floor.local import embedded
from hms_oms.database import connections, health, sessions
from hms_oms.database.connections import RawConnection
from hms_oms.database.lending import held_connection
from hms_oms.jobs import ledger, reservations
from hms_oms.jobs.live import running, waits
from hms_oms.jobs.live.running import StepProgress
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.queries import read
from hms_oms.jobs.queries.read import Filter
from hms_oms.jobs.queries.uniqueness import unique
from hms_oms.jobs.records import Claimed, Job, StepText
from hms_oms.jobs.reservations import Reservation
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes import recipes, registry
from hms_oms.recipes.recipes import Recipe, Recipes
from hms_oms.runtime import settings
from workers import modules, step
from workers.failing import delay, describe
from workers.performing import perform
from workers.step import StepRun

_WORKER = "test"
#: So often a database is tried to be dropped.
_TRIES = 200
#: How long a claim holds, in seconds: longer than any test runs.
_LEASE_SECONDS = 3600.0
#: Jobs that are taken from a queue at a time.
_PAGE = 100


class Server:
    """A PostgreSQL with a database that is prepared for a folder of recipes, copied for each test."""

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._known = recipes.load_folder(folder)
        modules.load(self._known, folder)
        self._copies = 0
        self._template = f"hms_jobs_{uuid.uuid4().hex[:12]}"
        self._tell(f"create database {self._template}")
        template = self._sibling(self._template)
        preparing.prepare(template, self._known.values())
        with connections.engine(template).begin() as connection:
            make_clock_movable(connection)
        connections.engine(template).dispose()
        self._tell(f"alter database {self._template} with allow_connections false")

    @contextmanager
    def jobs(self) -> Iterator[Jobs]:
        """Jobs in a database of their own, for as long as the block lasts."""
        self._copies += 1
        name = f"{self._template}_{self._copies}"
        self._tell(f"create database {name} template {self._template} strategy file_copy")
        url = self._sibling(name)
        jobs = Jobs(url, self._known)
        try:
            yield jobs
        finally:
            jobs.close()
            connections.engine(url).dispose()
            self._drop(name)

    def _drop(self, name: str) -> None:
        # Autovacuum that is in it may not be ended by us, and ends soon.
        for _ in range(_TRIES):
            with suppress(psycopg2.errors.InsufficientPrivilege):
                return self._tell(f"drop database {name} with (force)")
        raise TimeoutError(f"autovacuum does not leave {name}")

    def _sibling(self, name: str) -> str:
        return self._url.replace("/hms?", f"/{name}?", 1)

    def _tell(self, statement: str) -> None:
        with closing(psycopg2.connect(self._url)) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)


@contextmanager
def serving(home: Path, folder: Path) -> Iterator[Server]:
    """A server in the folder `home` for the recipes of `folder`. Raises ConfigError with all their faults."""
    with embedded.serving(home, broker=False, fast=True) as servers:
        assert servers.database_url is not None
        yield Server(servers.database_url, folder)


class Jobs:
    """The jobs of one test, the steps of agents, the texts that were handed over, and the clock."""

    def __init__(self, url: str, known: Recipes) -> None:
        self._known = known
        self._engine = connections.engine(url)
        self._claiming = connections.connect(url, "test claims")
        self._effects = connections.connect(url, "test effects", autocommit=False)
        self._live = _Live(self._claiming)
        self._waits = Waits(self._claiming, self._snapshot)
        self._parts = Parts(self._claiming, self._snapshot)
        self._child_waits = ChildWaits(self._claiming, self._snapshot)
        self._zone = settings.load().zone

    def close(self) -> None:
        """Close the connections."""
        self._claiming.close()
        self._effects.close()

    def start(self, job_type: str, payload: Mapping[str, Any], **options: Any) -> Job:
        """Accept a request, as `hms.enqueue` does with the same options; the job that it led to.

        Raises RequestRejected with every fault of the payload.
        """
        options.setdefault("requested_by", "test")
        options["unique"] = unique(options.pop("unique_for", None), options.pop("unique_while", None))
        with self._engine.begin() as connection:
            return accept.start_job(connection, recipes.find(self._known, job_type), payload, **options).job

    def run(self) -> int:
        """Run the steps of workers until none is ready, failed ones again as they are due; how many ran.

        What waits for an agent or for a later time stays: see `reserve` and `forward`.
        """
        ran = 0
        while tickets := self._taken():
            for ticket in tickets:
                ran += self._run_job(ticket)
        return ran

    def job(self, job: Job | int) -> Job:
        """The job as it is now. Raises UnknownJob."""
        with self._engine.connect() as connection:
            return read.get(connection, job if isinstance(job, int) else job.id)

    def parts(self, job: Job | int) -> list[Job]:
        """The parts of the job's steps, in order."""
        selected = Filter(parent=job if isinstance(job, int) else job.id)
        with self._engine.connect() as connection:
            return read.find(connection, selected, limit=None)[::-1]

    def texts(self, job: Job | int) -> list[StepText]:
        """The texts that the job has handed over, in order."""
        query = "select token, recipient, body from oms.messages where job_id = :job order by id"
        with self._engine.connect() as connection:
            rows = connection.execute(text(query), {"job": job if isinstance(job, int) else job.id})
            return [StepText(row.token, row.recipient, row.body) for row in rows]

    def progress(self, job: Job | int) -> list[StepProgress]:
        """What the job's steps have told of their progress, in order, without the throttling of a worker."""
        return self._live.reports[job if isinstance(job, int) else job.id]

    def signal(self, job: Job | int, event: str, data: Mapping[str, Any] | None = None) -> bool:
        """Signal an event to a job, which goes on with the next `run`; False if that was done before."""
        with self._engine.begin() as connection:
            return waits.signal(connection, job if isinstance(job, int) else job.id, event, data, who="test")

    def reserve(self, queue: str, agent: str = "agent") -> Reservation | None:
        """Reserve the most urgent job in a queue of agents, as one of them; None if there is none."""
        return reservations.reserve_now(self._claiming, queue, agent=agent)

    def report(self, reservation: Reservation, result: Any = None, *, outcome: str | None = None) -> str:
        """Report an agent's step as done; the status of the job now. Raises LeaseLost."""
        return reservations.report_done(self._claiming, reservation, Done(result, outcome=outcome))

    def now(self) -> datetime:
        """The time by the ledger's clock."""
        with self._engine.connect() as connection:
            return health.clock(connection)

    def forward(self, by: timedelta) -> datetime:
        """Put the ledger's clock forward, and return the time that it shows then."""
        with self._engine.begin() as connection:
            connection.execute(text("update public.clock set shift = shift + :by"), {"by": by})
        return self.now()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A transaction on the database, to look at your own tables or to fill them."""
        with self._engine.begin() as connection:
            yield connection

    def _taken(self) -> Sequence[Ticket]:
        self._waits.settle()
        while self._parts.settle() or self._child_jobs():
            pass
        ledger.wake(self._claiming)
        ledger.let_in(self._claiming)
        queues = {step.queue for recipe in self._known.values() for step in recipe.works}
        taken = [job for queue in sorted(queues) for job in ledger.take(self._claiming, queue, _PAGE)]
        return [Ticket(job.job, job.attempt, job.steps[job.step]) for job in taken]

    def _child_jobs(self) -> int:
        """Start what steps have asked for, and end the waits for that; how many there were."""
        return child_jobs.start(self._engine.begin, lambda: self._known) + self._child_waits.settle()

    def _snapshot(self, number: int) -> Recipe:
        return registry.snapshot(self._claiming, number)

    def _run_job(self, ticket: Ticket | None) -> int:
        """Run the steps of a job from a ticket on; how many ran."""
        ran = 0
        while ticket is not None:
            claims = ledger.claim(self._claiming, [(ticket, _LEASE_SECONDS)], _WORKER)
            if ticket not in claims:
                return ran
            ticket = self._run_step(claims[ticket])
            ran += 1
        return ran

    def _run_step(self, claimed: Claimed) -> Ticket | None:
        """Run a step and record what came of it; the ticket of the next one if it is for a worker at once."""
        recipe = self._known[claimed.type]
        current = recipe.work(claimed.step, claimed.part)
        run = StepRun(claimed, self._begun, self._zone, self._live, recipe, lambda: self._known)
        try:
            report = perform(
                step.registered[current.run], run, claimed, recipe, current.time_limit, self._undo
            )
            held_connection.take_back(self._effects)
        except Exception as error:  # noqa: BLE001 -- whatever a step raises is recorded with the job
            self._undo()
            retry_after = delay(current.retry, error, claimed.failures, 0.0)
            ledger.fail(
                self._claiming, claimed.ticket, describe(error), retry_after=retry_after, worker=_WORKER
            )
            return None
        made = ledger.advance(self._effects, [report], _WORKER)[claimed.ticket]
        self._effects.commit()
        if made.status != "queued" or report.next_step is None:
            return None
        return Ticket(claimed.job, claimed.attempt, recipe.steps[report.next_step].name)

    def _begun(self) -> RawConnection:
        sessions.bound(self._effects, _LEASE_SECONDS)
        held_connection.lend(self._effects)
        return self._effects

    def _undo(self) -> None:
        self._effects.lent = False
        self._effects.rollback()


class _Live:
    """What steps tell and ask while they run, written and asked at once."""

    def __init__(self, connection: RawConnection) -> None:
        self._connection = connection
        self.reports: defaultdict[int, list[StepProgress]] = defaultdict(list)

    def progress(self, ticket: Ticket, report: StepProgress) -> None:
        running.note_progress(self._connection, {ticket: report})
        self.reports[ticket.job].append(report)

    def is_to_end(self, ticket: Ticket) -> bool:
        return running.is_to_end(self._connection, ticket)


def make_clock_movable(connection: Connection) -> None:
    """Let the ledger's clock be moved by the row of `public.clock`."""
    connection.exec_driver_sql("create table public.clock (shift interval not null)")
    connection.exec_driver_sql("insert into public.clock values ('0')")
    connection.exec_driver_sql(
        "create or replace function oms.now() returns timestamptz language sql stable"
        " as 'select pg_catalog.now() + shift from public.clock'"
    )
