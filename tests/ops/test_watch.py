"""The watch and its process: from a deadline in the ledger to a text, with everything real."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.settings import Settings
from hms_ops import daemon, heartbeats, rules, watch
from hms_ops.forecast.snapshot import QueueSnapshot, Snapshot
from hms_ops.incidents import actions, silences, thresholds
from hms_ops.incidents.impact import late_jobs
from hms_ops.metrics.measure import Measure
from hms_ops.oncall import oncall
from hms_ops.watch import Watch, judge
from tests.conftest import Programs, wait_until
from tests.support.timelines import ON_CALL, START

OPS = ("-m", "hms_floor", "ops", "run")


def order(engine: sa.Engine, shop: Recipe, count: int, minutes: float = 30) -> None:
    """Accept so many orders that are due in so many minutes."""
    with engine.begin() as connection:
        for number in range(1, count + 1):
            accept.start_job(connection, shop, {"number": number}, requested_by="test", sla_minutes=minutes)


def handset(programs: Programs) -> list[str]:
    """The texts in the handset log."""
    log = programs.home / "handset.log"
    return [json.loads(line)["text"] for line in log.read_text().splitlines()] if log.exists() else []


def state(engine: sa.Engine, name: str) -> heartbeats.Pulse:
    """The pulse of a program."""
    with engine.connect() as connection:
        return next(pulse for pulse in heartbeats.status(connection) if pulse.name == name)


def test_a_look_sees_a_breach_and_all_that_follows(
    engine: sa.Engine, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """One turn: an incident with its jobs listed, a page in the outbox, metrics published, a beat."""
    with engine.begin() as connection:
        oncall.set_document(connection, ON_CALL, "test", None)
    order(engine, shop, 7)
    eye = Watch(engine.begin, Measure(engine, None), sender_is_local=True)
    assert eye.turn() <= watch.LOOK_SECONDS
    with engine.connect() as connection:
        assert actions.find(connection) == []
    forward(timedelta(minutes=31))
    eye.turn()
    with engine.connect() as connection:
        [late] = [incident for incident in actions.find(connection) if incident.rule == "late"]
        assert (late.queue, late.late_jobs, late.facts["late_jobs"]) == ("shop", 7, 7)
        assert len(late_jobs.of(connection, late)) == 7
        bodies = connection.scalars(sa.text("select body from oms.messages where page")).all()
        assert any("7 jobs late since" in body for body in bodies)
        breached = sa.text("select value from ops.metrics where name = 'sla.breached' and queue = 'shop'")
        assert connection.scalar(breached) == 7
    assert not state(engine, "ops").stale


def test_the_next_look_is_at_the_next_deadline(engine: sa.Engine, shop: Recipe) -> None:
    """A deadline that is near is waited for; one that is far leaves the usual half second."""
    soon, far = (
        Snapshot(START, [QueueSnapshot("shop", 10.0, next_sla=START + timedelta(seconds=seconds))])
        for seconds in (0.1, 60)
    )
    assert watch.until_next(soon) == pytest.approx(0.1 + watch.AFTER_SECONDS)
    assert watch.until_next(far) == watch.LOOK_SECONDS
    eye = Watch(engine.begin, Measure(engine, None), sender_is_local=True)
    order(engine, shop, 1)
    with engine.begin() as connection:
        connection.execute(sa.text("update oms.jobs set sla = oms.now() + interval '0.1 seconds'"))
    assert eye.turn() < 0.12


def test_a_broken_rule_blinds_no_other(
    monkeypatch: pytest.MonkeyPatch, engine: sa.Engine, caplog: Any
) -> None:
    """What it raises is logged, the others judge, and it is named so that its incidents are left alone."""

    def broken(*_: object) -> Any:
        raise ZeroDivisionError

    changed = [replace(rule, judge=broken) if rule.name == "slow" else rule for rule in rules.RULES]
    monkeypatch.setattr(watch, "RULES", changed)
    snapshot = Snapshot(START, [QueueSnapshot("shop", 10.0, waiting=1, late=1, late_since=START)])
    with engine.connect() as connection:
        result, _, failed = judge(snapshot, thresholds.limits(connection))
    assert [item.rule for item in result] == ["late", "no-worker"]
    assert failed == {"slow"}
    assert "rule slow failed" in caplog.text


def test_the_process_pages_once_whoever_leads(
    programs: Programs, engine: sa.Engine, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """Two processes stand by; the leader is killed after its page, and nobody is paged again."""
    with engine.begin() as connection:
        now: datetime = connection.execute(sa.text("select oms.now()")).scalar_one()
        # Nobody works here, and the clock jumps: that is not what this is about.
        for rule in rules.RULES:
            if rule.name != "late":
                silences.silence(connection, rule.name, None, now, now + timedelta(days=1), "test", "test")
    first = programs.start("first", *OPS)
    wait_until(lambda: not state(engine, "pager").stale, "the first process to lead both duties")
    programs.start("second", *OPS)
    order(engine, shop, 3)
    forward(timedelta(minutes=31))
    wait_until(lambda: handset(programs), "the page")
    first.send_signal(signal.SIGKILL)
    first.wait()
    wait_until(lambda: "pager: leading" in programs.said("second"), "the second one to deliver")
    wait_until(lambda: "ops: leading" in programs.said("second"), "the second one to watch")
    with engine.begin() as connection:
        # Nothing of the queue is left: with open jobs and nobody to do them it would not be over.
        connection.execute(sa.text("update oms.jobs set status = 'cancelled', finished_at = oms.now()"))
        thresholds.set_threshold(connection, "late", "clear_seconds", 0, None, "test", None)

    def two_texts() -> list[str]:
        # The first may have died before it wrote down what it sent, and nobody gets two texts within a
        # minute: time must pass.
        forward(timedelta(seconds=2))
        result = handset(programs)
        return result if len(result) > 1 else []

    texts = wait_until(two_texts, "the text of the end")
    page, end = texts
    assert " shop: 3 jobs late since " in page
    assert " shop: over at " in end


def test_sigterm_ends_the_process_in_good_order(programs: Programs, engine: sa.Engine) -> None:
    """Both duties end, and the exit code says that nothing was wrong."""
    process = programs.start("ops", *OPS)
    wait_until(lambda: not state(engine, "ops").stale, "the watch to beat")
    process.terminate()
    assert process.wait(20) == 0


@pytest.mark.parametrize("name", ["Delivery", "Watch"])
def test_a_daemon_that_crashes_ends_the_process(
    name: str, database: str, broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other daemon is ended in good order, and what went wrong is raised: nobody goes on half alive."""

    def broken(*_: object, **__: object) -> Any:
        raise ZeroDivisionError(name)

    monkeypatch.setattr(daemon, name, broken)
    with pytest.raises(ZeroDivisionError, match=name):
        daemon.run(Settings(home=tmp_path, database_url=database, broker_url=broker))
    assert {thread.name for thread in threading.enumerate()}.isdisjoint({"pager", "receiver"})
