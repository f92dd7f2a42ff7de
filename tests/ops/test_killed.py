"""OPS is killed or paused at each point around the POST: the handsets show each page, and none too many."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hms_oms.messages import outbox
from hms_ops import daemon
from tests.conftest import Programs, wait_until
from tests.provider import faults
from tests.provider.driver import Provider
from tests.provider.storm import LABEL
from tests.support.programs import Program

FIRST, PHONE, LAST = "+12025550141", "+12025550142", "+12025550143"
BODY = "Queue farm-grant: 3 jobs are late, the first since 09:31. Reply ACK K7 #K7"
#: A little longer than a lease.
LEASE = timedelta(seconds=61)
#: The daemon, with a lease that is over in no time: what is written must be so half a second after it began.
HASTY = (
    "from hms_oms.messages import delivery as handover\n"
    "handover.LEASE_SECONDS, handover.MARGIN_SECONDS = 60.0, 59.5\n"
    "from hms_floor.cli import main\n"
    "main(['ops', 'run'], prog_name='hms')"
)


class Ops:
    """OPS as processes on a ledger of their own, texting through the provider."""

    def __init__(
        self, programs: Programs, engine: sa.Engine, provider: Provider, forward: Callable[[timedelta], None]
    ) -> None:
        self.programs, self.engine, self.provider = programs, engine, provider
        self._forward = forward

    def start(self, name: str, program: str | None = None) -> Program:
        """Start a process that leads or stands by."""
        command = ("-m", "hms_floor", "ops", "run") if program is None else ("-c", program)
        return self.programs.start(name, *command, **self.provider.environment())

    def pair(self, program: str | None = None) -> Program:
        """Start one that leads, and another one that stands by; returns the first.

        The leader has sent a page before, so that what it executes from here on is prepared already.
        """
        first = self.start("first", program)
        self.page(FIRST, "the first one")
        self.leads("first")
        self.start("second")
        wait_until(self._accepted, "the first page")
        return first

    def leads(self, name: str) -> None:
        """Wait until this process hands over the texts."""
        wait_until(lambda: "pager: leading" in self.programs.said(name), f"{name} to lead")

    def page(self, to: str = PHONE, body: str = BODY) -> None:
        """Have a page wait in the outbox."""
        with self.engine.begin() as connection:
            assert outbox.put_page(
                connection, token=to, incident=None, kind="page", reference="K7", recipient=to, body=body
            )

    def forward(self, by: timedelta) -> None:
        """Let time pass, here and at the provider."""
        self._forward(by)
        self.provider.forward(by.total_seconds())

    def held(self) -> None:
        """Wait until the provider keeps a request."""
        wait_until(self.provider.held, "a request at the provider")

    def blocked(self) -> None:
        """Wait until the pager waits for a lock."""
        query = sa.text(
            "select count(*) from pg_stat_activity where datname = current_database()"
            " and application_name = 'hms pager leader' and wait_event_type = 'Lock'"
        )
        wait_until(lambda: self._scalar(query), "the pager to wait for a lock")

    def cut(self) -> None:
        """End the leader's connection at the server."""
        self._scalar(
            sa.text(
                "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity"
                " where datname = current_database() and application_name = 'hms pager leader'"
            )
        )

    def kill(self, process: Program) -> None:
        """SIGKILL."""
        os.kill(process.pid, signal.SIGKILL)
        process.wait()

    def delivered(self, *shown: str) -> None:
        """Wait until the page has come to its end; then the handsets show this, and nothing else.

        Time is moved to whatever the ledger waits for. A last page to another phone shows that the pager is
        through with everything before it.
        """
        wait_until(self._ended, "the page to come to its end", 30)
        self.forward(timedelta(minutes=15))
        self.page(LAST, "the last one")
        wait_until(lambda: self.provider.handsets(LAST), "the last page")
        texts = [text.body for text in self.provider.handsets()]
        assert texts == ["the first one", *shown, "the last one"]

    def lead(self, count: int) -> bool:
        """Whether one process hands over texts, and all others of `count` stand by."""
        query = (
            "select application_name from pg_stat_activity where datname = current_database()"
            " and application_name in ('hms pager leader', 'hms pager standby')"
        )
        with self.engine.connect() as connection:
            names = list(connection.scalars(sa.text(query)))
        return sorted(names) == ["hms pager leader", *["hms pager standby"] * (count - 1)]

    def renewed(self) -> Any:
        """How often the pager's lease was renewed in its present term."""
        return self._scalar(sa.text("select renewals from oms.leaders where duty = 'pager'"))

    def state(self) -> str:
        """How far the page is by the ledger."""
        return str(self._scalar(sa.text(f"select state from oms.messages where token = '{PHONE}'")))

    def _accepted(self) -> bool:
        return bool(self._scalar(sa.text("select bool_and(state = 'accepted') from oms.messages")))

    def _ended(self) -> bool:
        """Whether the page has arrived by the ledger; lets the time pass until it is looked at next."""
        with self.engine.connect() as connection:
            state, seconds = connection.execute(
                sa.text(
                    "select state, extract(epoch from due_at - oms.now())::float8 from oms.messages"
                    " where token = :token"
                ),
                {"token": PHONE},
            ).one()
        if state in ("pending", "unknown", "accepted", "sent") and seconds > 0:
            self.forward(timedelta(seconds=seconds))
        return bool(state == "delivered")

    def _scalar(self, query: sa.TextClause) -> Any:
        with self.engine.begin() as connection:
            return connection.execute(query).scalar_one()


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """One provider for all tests of this module."""
    with Provider.start(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
def ops(
    programs: Programs, engine: sa.Engine, process: Provider, forward: Callable[[timedelta], None]
) -> Iterator[Ops]:
    """OPS, with a provider that has forgotten everything."""
    process.reset()
    yield Ops(programs, engine, process, forward)
    process.release(hang_up=True)


@contextmanager
def locked(engine: sa.Engine, statement: str) -> Iterator[None]:
    """A transaction of somebody else holds a lock for as long as the block lasts."""
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
        yield
        connection.rollback()


ATTEMPTS = "lock table oms.message_attempts in exclusive mode"
MESSAGE = "select id from oms.messages for update"


def test_killed_before_the_attempt_is_committed(ops: Ops) -> None:
    """Nothing was begun: the next one sends the page as if nothing had been."""
    first = ops.pair()
    with locked(ops.engine, ATTEMPTS):
        ops.page()
        ops.blocked()
        ops.kill(first)
        ops.cut()
    ops.leads("second")
    ops.delivered(BODY)
    assert len(ops.provider.requests()) == 3


@pytest.mark.drill
def test_killed_while_the_server_commits_the_attempt(ops: Ops) -> None:
    """The attempt is on record though nobody was left to make it: one text, which says that it may be two."""
    first = ops.pair()
    with locked(ops.engine, ATTEMPTS):
        ops.page()
        ops.blocked()
        ops.kill(first)
    ops.leads("second")
    ops.forward(LEASE)
    ops.delivered(BODY + LABEL)


@pytest.mark.drill
def test_killed_before_the_provider_reads(ops: Ops) -> None:
    """The request was on its way and is lost: it is not in the list, and goes again."""
    first = ops.pair()
    ops.provider.fault(faults.held(accepted=False))
    ops.page()
    ops.held()
    ops.kill(first)
    ops.provider.release(hang_up=True)
    ops.leads("second")
    ops.forward(LEASE)
    ops.delivered(BODY + LABEL)


@pytest.mark.parametrize("there", [True, pytest.param(False, marks=pytest.mark.drill)])
def test_killed_before_the_answer(ops: Ops, there: bool) -> None:
    """The text is out: the list tells the next one, and only where there is none does a second one go."""
    first = ops.pair()
    ops.provider.fault(faults.held(accepted=True))
    ops.page()
    ops.held()
    ops.kill(first)
    if not there:
        ops.provider.fault(faults.list_down())
    ops.leads("second")
    ops.forward(LEASE)
    ops.delivered(*([BODY] if there else [BODY, BODY + LABEL]))


@pytest.mark.parametrize("cut", [True, pytest.param(False, marks=pytest.mark.drill)])
def test_killed_before_the_answer_is_committed(ops: Ops, cut: bool) -> None:
    """The answer had come and was being recorded: whether the server still does so or not, one text."""
    first = ops.pair()
    ops.provider.fault(faults.held(accepted=True))
    ops.page()
    ops.held()
    with locked(ops.engine, MESSAGE):
        ops.provider.release()
        ops.blocked()
        ops.kill(first)
        if cut:
            ops.cut()
    ops.leads("second")
    ops.forward(LEASE)
    ops.delivered(BODY)


@pytest.mark.drill
def test_killed_while_it_asks(ops: Ops) -> None:
    """The answer was lost, and anyone who asked the list is killed: the next one asks again."""
    first = ops.pair()
    ops.provider.fault(faults.dropped(), faults.held(accepted=False, on="list"))
    ops.page()
    wait_until(lambda: ops._ended() or ops.provider.held(), "the list to be asked for")
    ops.kill(first)
    ops.provider.release(hang_up=True)
    ops.leads("second")
    ops.delivered(BODY)


def test_told_to_stop_before_the_answer(ops: Ops) -> None:
    """Anyone who is told to stop waits a moment for the answer, while another one leads, and records it."""
    first = ops.pair()
    ops.provider.fault(faults.held(accepted=True))
    ops.page()
    ops.held()
    first.terminate()
    ops.leads("second")
    ops.provider.release()
    assert first.wait(20) == 0
    assert ops.state() == "accepted"
    ops.delivered(BODY)


@pytest.mark.drill
def test_stopped_though_no_answer_comes(ops: Ops) -> None:
    """The wait has an end; what was in the air is found by the next one when its lease is over."""
    first = ops.pair()
    ops.provider.fault(faults.held(accepted=True))
    ops.page()
    ops.held()
    first.terminate()
    assert first.wait(daemon.LAST_SECONDS + 15) == 0
    assert ops.state() == "sending"
    ops.leads("second")
    ops.forward(LEASE)
    ops.delivered(BODY)


@pytest.mark.drill
def test_the_answer_outlives_the_connection(ops: Ops) -> None:
    """The database goes away while a request is in the air: its answer is recorded when it is back."""
    ops.start("first")
    ops.leads("first")
    ops.provider.fault(faults.held(accepted=True))
    ops.page()
    ops.held()
    ops.cut()
    wait_until(lambda: "pager: the database is away" in ops.programs.said("first"), "the pager to notice")
    ops.provider.release()
    wait_until(lambda: ops.state() == "accepted", "the answer to be recorded")


def test_two_daemons(ops: Ops) -> None:
    """Both come up at the same time with pages waiting: each goes once."""
    phones = [f"+1202555{number:04}" for number in range(100, 120)]
    for phone in phones:
        ops.page(phone)
    for name in ("first", "second"):
        ops.start(name)
    wait_until(lambda: len(ops.provider.handsets()) >= len(phones), "all pages")
    wait_until(lambda: ops.lead(2), "both to be up, and one to lead")
    ops.page(LAST, "the last one")
    wait_until(lambda: len(ops.provider.handsets()) > len(phones), "the last page")
    assert sorted(text.to for text in ops.provider.handsets()) == [*phones, LAST]


@pytest.mark.drill
def test_paused_for_a_moment(ops: Ops) -> None:
    """A leader that wakes before its lease has run out goes on, nobody takes over, and the page went once."""
    first = ops.pair()
    ops.provider.fault(faults.held(accepted=True))
    ops.page()
    ops.held()
    os.kill(first.pid, signal.SIGSTOP)
    ops.provider.release()
    before = ops.renewed()
    os.kill(first.pid, signal.SIGCONT)
    wait_until(lambda: ops.renewed() > before, "the first one to renew its lease")
    ops.delivered(BODY)
    assert "pager: leading" not in ops.programs.said("second")


def test_paused_past_its_lease(ops: Ops) -> None:
    """Another one has taken over and has looked for the text; what the first one brings changes nothing."""
    first = ops.pair()
    ops.provider.fault(faults.held(accepted=True))
    ops.page()
    ops.held()
    os.kill(first.pid, signal.SIGSTOP)
    ops.leads("second")
    ops.forward(LEASE)
    wait_until(ops._ended, "the page to be seen at the provider")
    ops.provider.release()
    os.kill(first.pid, signal.SIGCONT)
    wait_until(
        lambda: "pager: another process leads" in ops.programs.said("first"), "the first one to notice"
    )
    ops.delivered(BODY)


@pytest.mark.drill
def test_paused_before_it_writes(ops: Ops) -> None:
    """One that wakes after another has sent its page in its stead does not write a byte of it any more."""
    first = ops.pair(HASTY)
    with locked(ops.engine, ATTEMPTS):
        ops.page()
        ops.blocked()
        os.kill(first.pid, signal.SIGSTOP)
        stopped = time.monotonic()
    wait_until(lambda: _attempted(ops.engine), "the attempt to be committed")
    ops.leads("second")
    ops.forward(LEASE)
    wait_until(ops._ended, "the page to be sent by the second one")
    wait_until(lambda: time.monotonic() > stopped + 1, "the time in which the first one may write to be over")
    os.kill(first.pid, signal.SIGCONT)
    wait_until(
        lambda: "pager: another process leads" in ops.programs.said("first"), "the first one to notice"
    )
    ops.delivered(BODY + LABEL)


def _attempted(engine: sa.Engine) -> bool:
    with engine.connect() as connection:
        return bool(connection.scalar(sa.text("select count(*) from oms.message_attempts")))
