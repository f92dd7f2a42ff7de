"""The whole life of jobs, in any order that hypothesis can think of, against a small model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import hypothesis.strategies as st
import psycopg2.extensions
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from hms_act import accept
from hms_oms.jobs import commands, completions, ledger, losses
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.queries import read
from hms_oms.jobs.states import TERMINAL, TRANSITIONS, Fact, Status
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe
from tests.support.stories import stories

STEPS = ("pick", "pack", "send")
#: Jobs that an index has in the wrong place, or that keep a key which they do not have any more.
MISPLACED = """
select count(*) from oms.jobs
where (finished_at is null and (status = 'waiting') <> (dispatched_at is null))
    or (status = 'cancelled' and key is not null) or (status <> 'cancelled' and freed_key is not null)
"""
WHO: dict[str, Any] = {"who": "boss", "reason": "because"}


@dataclass
class Model:
    """What a job should look like; `results` counts how often each step's result was recorded."""

    number: int = 0
    status: str = "waiting"
    step: int = 0
    attempt: int = 1
    losses: int = 0
    priority: int = 0
    cancel: bool = False
    results: dict[str, int] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether nothing more may happen to it, but for a retry or a reinstatement."""
        return self.status in TERMINAL


class Life(RuleBasedStateMachine):
    """Rules are what can happen; each is done to the ledger and to the model, which must agree."""

    engine: sa.Engine
    raw: psycopg2.extensions.connection
    recipe: Recipe

    tickets = Bundle("tickets")
    numbers = Bundle("numbers")

    def __init__(self) -> None:
        super().__init__()
        self.model: dict[int, Model] = {}
        self.paused = False
        with self.engine.begin() as connection:
            connection.execute(sa.text("truncate oms.jobs, oms.job_events cascade"))
            connection.execute(sa.text("update oms.queues set paused_at = null"))

    @contextmanager
    def person(self) -> Iterator[sa.Connection]:
        """A person's transaction."""
        with self.engine.begin() as connection:
            yield connection

    def good(self, ticket: Ticket, status: str) -> bool:
        """Whether a ticket is good for a job in `status`."""
        model = self.model[ticket.job]
        return (model.status, model.attempt, STEPS[model.step]) == (status, ticket.attempt, ticket.step)

    @rule(target=numbers, number=st.integers(1, 3), priority=st.integers(0, 2))
    def accept(self, number: int, priority: int) -> int:
        """A request comes in, perhaps the same one again."""
        with self.person() as connection:
            started = accept.start_job(
                connection, self.recipe, {"number": number}, requested_by="test", priority=priority
            )
        assert started.created == (started.job.id not in self.model)
        self.model.setdefault(started.job.id, Model(number, priority=priority))
        return started.job.id

    @rule(target=tickets, count=st.integers(1, 3))
    def take(self, count: int) -> Any:
        """The dispatcher takes from the front."""
        waiting = [(-model.priority, job) for job, model in self.model.items() if model.status == "waiting"]
        taken = ledger.take(self.raw, "shop", count)
        priorities = [-self.model[job.job].priority for job in taken]
        assert priorities == [priority for priority, _ in sorted(waiting)[:count]]
        for job in taken:
            model = self.model[job.job]
            assert (job.attempt, job.step) == (model.attempt, model.step)
            model.status = "queued"
        made = [Ticket(job.job, job.attempt, STEPS[job.step]) for job in taken]
        return made[0] if made else multiple()

    def known(self, ticket: Ticket) -> bool:
        return ticket.job in self.model

    @rule(target=tickets, ticket=tickets)
    def claim(self, ticket: Ticket) -> Ticket:
        """A message arrives at a worker: in time, late, or a second time."""
        claims = ledger.claim(self.raw, [(ticket, 60)], "w")
        expected = self.known(ticket) and self.good(ticket, "queued") and not self.paused
        assert bool(claims) == expected
        if expected:
            self.model[ticket.job].status = "running"
        return ticket

    @rule(target=tickets, ticket=tickets, skip=st.booleans(), go_on=st.booleans())
    def complete(self, ticket: Ticket, skip: bool, go_on: bool) -> Ticket:
        """A worker reports a step as done, perhaps too late or twice, and may claim the next one with it."""
        may_skip = skip and ticket.step == "pick"
        report = completions.of(
            ticket, self.recipe, Done(1, skip_to="send" if may_skip else None), by_agent=False
        )
        if go_on:
            report = report._replace(lease=60.0)
        answer = ledger.complete(self.raw, [report], "w").get(ticket)
        if not (self.known(ticket) and self.good(ticket, "running")):
            assert answer is None
            return ticket
        model = self.model[ticket.job]
        model.results[ticket.step] = model.results.get(ticket.step, 0) + 1
        model.losses = 0
        if report.next_step is None:
            model.status = "done"
        else:
            model.step = report.next_step
            ahead = "running" if go_on else "queued"
            model.status = "cancelled" if model.cancel else "waiting" if self.paused else ahead
        assert answer == model.status
        return Ticket(ticket.job, ticket.attempt, STEPS[model.step])

    @rule(ticket=tickets, final=st.booleans())
    def fail(self, ticket: Ticket, final: bool) -> None:
        """A worker reports a failure."""
        answer = ledger.fail(self.raw, ticket, {"type": "E"}, retry_after=None if final else 0, worker="w")
        if not (self.known(ticket) and self.good(ticket, "running")):
            assert answer is None
            return
        model = self.model[ticket.job]
        model.attempt += 1
        model.status = "cancelled" if model.cancel else "failed" if final else "waiting"
        assert answer == model.status

    @rule(ticket=tickets)
    def lose(self, ticket: Ticket) -> None:
        """A message or a worker is gone."""
        count = losses.lose(self.raw, [ticket], "test")
        if not (self.known(ticket) and (self.good(ticket, "queued") or self.good(ticket, "running"))):
            assert count == 0
            return
        assert count == 1
        model = self.model[ticket.job]
        was_running = model.status == "running"
        model.losses += was_running
        poisoned = was_running and model.losses >= losses.POISON
        model.status = "cancelled" if model.cancel else "failed" if poisoned else "waiting"
        model.attempt += 1

    @rule(target=tickets, ticket=tickets)
    def lose_and_claim_anew(self, ticket: Ticket) -> Any:
        """The work goes to another worker, while the first one still believes to have it."""
        self.lose(ticket)
        again = self.take(3)
        return multiple() if isinstance(again, type(multiple())) else self.claim(again)

    @rule(job=numbers, now=st.booleans())
    def cancel(self, job: int, now: bool) -> None:
        """A person cancels."""
        with self.person() as connection:
            commands.cancel(connection, [job], now=now, **WHO)
        model = self.model[job]
        if model.ended:
            return
        model.cancel = True
        if model.status == "running" and not now:
            return
        model.attempt += model.status != "waiting"
        model.status = "cancelled"

    @rule(job=numbers)
    def retry(self, job: int) -> None:
        """A person has a failed job tried again."""
        with self.person() as connection:
            changed = commands.retry(connection, [job], **WHO)
        model = self.model[job]
        assert bool(changed) == (model.status == "failed")
        if changed:
            model.status, model.losses = "waiting", 0
            model.attempt += 1

    @rule(job=numbers)
    def reinstate(self, job: int) -> None:
        """A person has a cancelled job done after all, unless a newer one has its key."""
        with self.person() as connection:
            changed = commands.reinstate(connection, [job], **WHO)
            holder = commands.key_holders(connection, [job]).get(job)
        model = self.model[job]
        same = [other for other, item in self.model.items() if item.number == model.number and other > job]
        ending = model.status == "running" and model.cancel
        assert bool(changed) == (ending or (model.status == "cancelled" and not same))
        assert holder == (max(same) if same and model.status == "cancelled" else None)
        if changed:
            model.cancel = False
            if not ending:
                model.status = "waiting"
                model.attempt += 1

    @rule(job=numbers)
    def promote(self, job: int) -> None:
        """A person puts a job to the front."""
        highest = max((m.priority for m in self.model.values() if m.status == "waiting"), default=0)
        with self.person() as connection:
            commands.promote(connection, job, **WHO)
        model = self.model[job]
        if model.status in ("waiting", "queued"):
            model.attempt += model.status == "queued"
            model.status, model.priority = "waiting", highest + 1

    @rule()
    def pause(self) -> None:
        """A person pauses the queue."""
        with self.person() as connection:
            commands.pause(connection, "shop", **WHO)
        self.paused = True
        for model in self.model.values():
            if model.status == "queued":
                model.status = "waiting"
                model.attempt += 1

    @rule()
    def resume(self) -> None:
        """A person lets the queue go on."""
        with self.person() as connection:
            commands.resume(connection, "shop")
        self.paused = False

    @invariant()
    def ledger_and_model_agree(self) -> None:
        """Status, step, attempt and results are as the model has them; no result was recorded twice."""
        with self.engine.connect() as connection:
            jobs = {job.id: job for job in read.find(connection, read.Filter(), limit=None)}
            assert connection.scalar(sa.text(MISPLACED)) == 0
        assert set(jobs) == set(self.model)
        for job, model in self.model.items():
            row = jobs[job]
            assert (row.status, row.step, row.attempt) == (model.status, model.step, model.attempt)
            assert set(row.results) == set(model.results)
            assert all(count == 1 for count in model.results.values())
            assert (row.finished_at is not None) == model.ended
        having = [model.number for model in self.model.values() if model.status != "cancelled"]
        assert len(having) == len(set(having))

    def teardown(self) -> None:
        """Each event log tells its job's story by the table of transitions, and nothing else."""
        with self.engine.connect() as connection:
            for job in self.model:
                check_event_log([(event.fact, event.status) for event in read.event_log(connection, job)])


def check_event_log(lines: list[tuple[str, str]]) -> None:
    """Every line follows from the one before it by the table of transitions."""
    assert lines[0] == ("accepted", "waiting")
    before = Status.WAITING
    for fact, status in lines[1:]:
        assert TRANSITIONS[before, Fact(fact)] == status, (before, fact, status)
        before = Status(status)


@pytest.mark.usefixtures("shop")
def test_life(engine: sa.Engine, raw: psycopg2.extensions.connection, shop: Recipe) -> None:
    """Ledger and model agree after every step of any story; event logs follow the table of transitions."""
    Life.engine, Life.raw, Life.recipe = engine, raw, shop
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=stories(15),
            stateful_step_count=40,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
