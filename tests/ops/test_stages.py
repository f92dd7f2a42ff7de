"""One queue, one incident: whatever its rules say in whatever order, and anyone who says what in between."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hms_oms
from hms_oms.database.schema import migrate
from hms_ops.forecast.snapshot import Forecast, HostSnapshot, QueueSnapshot, Snapshot
from hms_ops.incidents import actions, lifecycle, stages, thresholds
from hms_ops.incidents.actions import Incident
from hms_ops.oncall import escalation, oncall
from hms_ops.rules import RULES
from hms_ops.watch import judge
from tests.support.stories import stories
from tests.support.timelines import ON_CALL, START

EMPTY = (
    "truncate ops.incidents, ops.incident_events, ops.incident_jobs, oms.messages restart identity cascade"
)
QUEUES = ("shop", "desk")


@dataclass(frozen=True)
class Queue:
    """What is so of a queue at one look; `ahead` will be late, None if that is not known."""

    late: int
    ahead: int | None
    workers: int


@dataclass(frozen=True)
class Turn:
    """A while passes, a person says something or nothing, and the watch looks."""

    seconds: int
    person: str | None
    busy: bool
    queues: tuple[Queue, Queue]


queue = st.builds(
    Queue, st.sampled_from([0, 0, 3]), st.sampled_from([None, 0, 0, 5]), st.sampled_from([0, 2])
)
turn = st.builds(
    Turn,
    st.sampled_from([5, 5, 35, 70, 130, 2000]),
    st.sampled_from([None, None, None, "ack", "close"]),
    st.booleans(),
    st.tuples(queue, queue),
)


@pytest.fixture
def shops(engine: sa.Engine) -> sa.Engine:
    """A ledger with two queues, and Ada on call."""
    with engine.begin() as connection:
        for name in QUEUES:
            connection.execute(sa.text("insert into oms.queues (name) values (:name)"), {"name": name})
        oncall.set_document(connection, ON_CALL, "test", None)
    return engine


def snapshot(now: datetime, before: datetime, observed: Turn) -> Snapshot:
    """What the watch sees."""

    def ahead(item: Queue) -> Forecast | None:
        if item.ahead is None:
            return None
        first = now + timedelta(minutes=5) if item.ahead else None
        return Forecast(item.ahead, first, None, None, 1.0, None, trusted=True)

    queues = [
        QueueSnapshot(
            name,
            10.0,
            waiting=9,
            late=item.late,
            late_since=now - timedelta(seconds=1) if item.late else None,
            workers=item.workers,
            forecast=ahead(item),
        )
        for name, item in zip(QUEUES, observed.queues, strict=True)
    ]
    hosts = [HostSnapshot("barn", 99.0, 1, 2, ["shop"])] if observed.busy else []
    return Snapshot(now, queues, hosts, looked_before=before)


def play(engine: sa.Engine, turns: list[Turn]) -> Iterator[tuple[Turn, datetime, list[Incident], list[Any]]]:
    """Look again and again; after each look all incidents, and the texts that it has put into the outbox."""
    now, last = START, 0
    for turn in turns:
        before, now = now, now + timedelta(seconds=turn.seconds)
        with engine.begin() as connection:
            limits = thresholds.limits(connection)
            for incident in actions.find(connection):
                if turn.person == "ack":
                    actions.acknowledge(connection, incident.id, "ada", now, limits)
                elif turn.person == "close":
                    actions.resolve(connection, incident.id, "ada", None, now)
            result, unknown, _ = judge(snapshot(now, before, turn), limits)
            names = [rule.name for rule in RULES]
            lifecycle.observe(
                connection, now, result, limits, judged=names, unknown=unknown, looked_before=before
            )
            escalation.page(connection, now, True, UTC)
            rows = connection.execute(
                sa.text("select id, kind, incident_id from oms.messages where id > :last order by id"),
                {"last": last},
            ).all()
            last = max([last, *(row.id for row in rows)])
            # Each text is sent at once.
            connection.execute(sa.text("update oms.messages set state = 'sent' where state = 'pending'"))
            yield turn, now, actions.find(connection, actions.STATES, limit=None), list(rows)


def test_what_is_clear_takes_no_other_turn(shops: sa.Engine) -> None:
    """Late jobs are over after a minute, those that would be late after two: none will be late in between."""
    calm = Queue(0, 0, 2)
    burning = [Turn(5, None, False, (Queue(3, 5, 2), calm))] * 8
    turns = [*burning, *(Turn(seconds, None, False, (calm, calm)) for seconds in (5, 70, 130))]
    stages_shown = [
        (item.state, item.stage)
        for _, _, incidents, _ in play(shops, turns)
        for item in incidents
        if item.queue == "shop"
    ]
    assert stages_shown == [*[("open", "late")] * 10, ("resolved", "late")]


def test_the_end_of_one_incident_is_not_told_while_the_next_has_begun(shops: sa.Engine) -> None:
    """One that flapped is steady just as its queue is late again: its end waits for that of the next."""
    lives: Sequence[tuple[int, str | None, Queue]] = (
        (70, "close", Queue(3, None, 2)),
        (130, "close", Queue(0, 0, 2)),
        (35, None, Queue(3, 5, 0)),
        (70, "ack", Queue(0, 0, 2)),
        (70, None, Queue(0, 0, 2)),
        (5, "close", Queue(3, None, 0)),
        (5, None, Queue(0, None, 2)),
        (2000, None, Queue(0, 0, 2)),
        (2000, None, Queue(3, 0, 0)),
        (130, None, Queue(0, 0, 2)),
        (2000, None, Queue(0, 0, 2)),
        (2000, None, Queue(0, 0, 2)),
    )
    turns = [Turn(seconds, person, False, (shop, Queue(0, 0, 2))) for seconds, person, shop in lives]
    ends = []
    for turn, _, incidents, texts in play(shops, turns):
        by_hand = {item.id for item in incidents if item.resolved_by}
        ends += [
            (turn.queues[0].late, text.incident_id)
            for text in texts
            if text.kind == "resolved" and text.incident_id not in by_hand
        ]
    assert {late for late, _ in ends} == {0}
    assert len({incident for _, incident in ends}) == 2


@settings(
    max_examples=stories(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(turns=st.lists(turn, min_size=3, max_size=14))
def test_one_queue_has_one_incident_that_is_not_over_while_jobs_are_late(
    shops: sa.Engine, turns: list[Turn]
) -> None:
    """Never two open ones for a queue's deadlines; never "over" while jobs are late or will be."""
    with shops.begin() as connection:
        connection.exec_driver_sql(EMPTY)
    for observed, now, result, texts in play(shops, turns):
        by_id = {item.id: item for item in result}
        about = dict(zip(QUEUES, observed.queues, strict=True))
        for name, entry in about.items():
            mine = [item for item in result if item.queue == name and item.rule in stages.STAGES]
            live = [item for item in mine if item.state in actions.LIVE]
            assert len(live) <= 1, live
            assert len([item for item in mine if item.state != "resolved"]) <= 1, mine
            word = [
                item for item in mine if item.resolved_by and item.resolved_at > now - timedelta(minutes=15)
            ]
            if entry.late:
                assert live or word
        for text in texts:
            item = by_id[text.incident_id]
            if text.kind == "resolved" and item.resolved_by is None and item.queue:
                assert not about[item.queue].late
                assert not about[item.queue].ahead


@settings(max_examples=stories(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=st.lists(turn, min_size=3, max_size=14))
def test_while_it_is_acknowledged_nobody_is_called(shops: sa.Engine, turns: list[Turn]) -> None:
    """Whatever it becomes, no page about an acknowledged incident, and no busy host beside a late queue."""
    with shops.begin() as connection:
        connection.exec_driver_sql(EMPTY)
    for observed, _, result, texts in play(shops, turns):
        by_id = {item.id: item for item in result}
        for text in texts:
            item = by_id[text.incident_id]
            if text.kind == "page":
                assert item.state == "open"
                shop = [entry for entry in result if entry.queue == "shop" and entry.state in actions.LIVE]
                assert item.rule != "busy-host" or not (shop and observed.queues[0].late)


def test_each_stage_has_its_place() -> None:
    """The stages are rules, and their order is theirs: late is worst."""
    names = [rule.name for rule in RULES]
    assert set(stages.STAGES) < set(names)
    assert [name for name in stages.STAGES if stages.rank(name) < stages.rank("forecast")] == ["late"]
    assert stages.key_of("slow", "shop", None) == stages.key_of("late", "shop", None)
    assert stages.key_of("failing", "shop", None) != stages.key_of("late", "shop", None)


def test_the_database_agrees_on_what_belongs_together(engine: sa.Engine) -> None:
    """Its index has the same families of rules as the code."""
    with engine.connect() as connection:
        for rule in RULES:
            family = connection.scalar(sa.text("select ops.family(:rule)"), {"rule": rule.name})
            assert family == stages.key_of(rule.name, None, None)[0]


@pytest.fixture
def old_ledger(engine: sa.Engine, database: str) -> Mapping[str, int]:
    """A ledger of the release before with open incidents, brought to this one; their numbers by name."""
    config = Config()
    config.set_main_option("script_location", str(Path(hms_oms.__file__).parent / "migrations"))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0013")
        connection.commit()
        for name in QUEUES:
            connection.execute(sa.text("insert into oms.queues (name) values (:name)"), {"name": name})
        numbers = {
            row.reference: row.id
            for row in connection.execute(
                sa.text(
                    "insert into ops.incidents (rule, queue, subject, state, reference, facts, worst,"
                    " active_at, last_true_at, opened_at, changed_at, page_from) values"
                    """ ('forecast', 'shop', null, 'acknowledged', 'K1', '{"late_jobs": 4, "value": 4}', 9,"""
                    "   :now, :now, :now, :now, :now),"
                    """ ('late', 'shop', null, 'open', 'K2', '{"late_jobs": 3, "value": 60,"""
                    """   "late_since": "2026-03-02T16:42:00+00:00"}', 60, :now, :now, :now, :now, :now),"""
                    " ('stalled', 'desk', null, 'open', 'K3', '{}', 60, :now, :now, :now, :now, :now),"
                    " ('busy-host', null, 'barn', 'open', 'K4', '{}', 99, :now, :now, :now, :now, :now),"
                    " ('no-worker', 'shop', null, 'pending', null, '{}', 1, :now, :now, null, null, null)"
                    " returning id, coalesce(reference, 'pending') as reference"
                ),
                {"now": START},
            )
        }
        connection.execute(
            sa.text(
                "insert into oms.messages (token, page, incident_id, kind, reference, recipient, body)"
                " values ('page:1:1:0:ada', true, :id, 'page', 'K1', '+12025550143', 'x')"
            ),
            {"id": numbers["K1"]},
        )
        connection.commit()

    migrate.upgrade(database)
    return numbers


def test_open_incidents_survive_the_migration(engine: sa.Engine, old_ledger: Mapping[str, int]) -> None:
    """Those of one queue are merged into the worst; the others stay; all go on as what they are."""
    with engine.begin() as connection:
        incidents = {incident.reference: incident for incident in actions.find(connection, actions.STATES)}
        assert set(incidents) == {"K1", "K2", "K3", "K4"}
        assert [incidents[name].state for name in ("K1", "K2", "K3", "K4")] == [
            "resolved",
            "open",
            "open",
            "open",
        ]
        assert (incidents["K1"].merged_into, incidents["K1"].told_seq) == (old_ledger["K2"], 1)
        assert set(incidents["K2"].signals) == {"late", "forecast", "no-worker"}
        assert incidents["K2"].signals["late"].active_at == START
        assert connection.scalar(sa.text("select state from oms.messages")) == "cancelled"
        assert (
            actions.acknowledge(connection, "K1", "ada", START, thresholds.limits(connection)).id
            == old_ledger["K2"]
        )
    quiet = Turn(5, None, False, (Queue(0, 0, 2), Queue(0, 0, 2)))
    for *_, found_now, _ in play(engine, list(itertools.repeat(quiet, 30))):
        states = {incident.reference: incident.state for incident in found_now}
    assert states == dict.fromkeys(("K1", "K2", "K3", "K4"), "resolved")
