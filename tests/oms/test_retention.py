"""Retention: what is over its time goes, what is needed stays, and the reports say the same as before."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings

from hms_act import accept
from hms_floor.presentation import explanation, explanation_words
from hms_oms.cycles import cycles
from hms_oms.database import health
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, ledger
from hms_oms.jobs.queries import read, search
from hms_oms.jobs.records import Completion
from hms_oms.jobs.tickets import Ticket
from hms_oms.messages import outbox
from hms_oms.recipes import registry
from hms_oms.recipes.recipes import Recipe
from hms_oms.retention import due, holds, known_keys, rules, walk
from hms_oms.retention.holds import NothingHeld, Target
from hms_oms.retention.known_keys import KeyOfRemovedJob
from hms_oms.retention.pruner import Pruner, added
from hms_oms.retention.rules import Keep
from hms_oms.retention.walk import Counts
from hms_oms.runtime.errors import KeyReused, UnknownJob
from hms_ops.reports import sla_report

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
PHONE = "+12025550142"
#: Jobs for a month, their parts as long, personal data for a week, keys for a year.
KEEP = Keep(30 * DAY, 30 * DAY, 30 * DAY, 30 * DAY, 7 * DAY, 365 * DAY)
Forward = Callable[[timedelta], None]


def prune(engine: sa.Engine, forward: Forward, keep: Keep = KEEP, audit: timedelta | None = None) -> Counts:
    """Remove all that is over its time, moving the clock while keys are waited for."""
    pruner, counts = Pruner(keep, audit), Counts()
    for _ in range(200):
        with engine.begin() as connection:
            removed = pruner.remove_next(connection)
        counts = added(counts, removed.counts)
        if removed.over:
            return counts
        if removed.pause:
            forward(timedelta(seconds=removed.pause))
            # It is the database's clock that has moved, not the one by which the pruner rests.
            pruner._rests = {key: (0.0, over) for key, (_, over) in pruner._rests.items() if over}
    pytest.fail("the pruner does not come to its end")


def order(engine: sa.Engine, recipe: Recipe, number: int, **options: Any) -> int:
    """Accept one order, and return its job."""
    payload = {"number": number, "phone": PHONE}
    with engine.begin() as connection:
        return accept.start_job(connection, recipe, payload, requested_by="test", **options).job.id


def finish(engine: sa.Engine, raw: RawConnection, job: int) -> None:
    """Have the steps of a job done, and a text of it delivered."""
    for position, step in enumerate(["pick", "pack", "send"]):
        ledger.take(raw, "shop", 1000)
        ticket = Ticket(job, 1, step)
        assert ledger.claim(raw, [(ticket, 60.0)], "w").get(ticket)
        following = position + 1 if position < 2 else None
        result = json.dumps({"phone": PHONE, "reasons": ["heavy"]})
        report = Completion(ticket, result, "sent", following, "shop" if following else None, False)
        ledger.complete(raw, [report], "w")
    outbox.put(raw, token=f"text-{job}", job=job, kind="applicant", recipient=PHONE, body="your order")
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "update oms.messages set state = 'delivered', finished_at = oms.now() where job_id = %(job)s",
            {"job": job},
        )


def done(engine: sa.Engine, raw: RawConnection, recipe: Recipe, number: int, **options: Any) -> int:
    """Accept an order and have it done."""
    job = order(engine, recipe, number, **options)
    finish(engine, raw, job)
    return job


def look(engine: sa.Engine, job: int) -> Any:
    """The job as it stands now."""
    with engine.connect() as connection:
        return read.get(connection, job)


def rows(engine: sa.Engine, table: str) -> int:
    """How many rows a table has."""
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(f"select count(*) from {table}")) or 0)


def test_a_job_goes_with_all_that_is_its_own(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward
) -> None:
    """A month after its end a job is gone with its event log and texts; one that ended later stays."""
    old = done(engine, raw, shop, 1)
    with engine.begin() as connection:
        search.index(connection)
    forward(20 * DAY)
    young = done(engine, raw, shop, 2)
    forward(10 * DAY + MINUTE)
    assert rows(engine, "oms.job_search") == 1
    counts = prune(engine, forward)
    assert (rows(engine, "oms.job_search"), rows(engine, "oms.unindexed_words")) == (0, 1)
    assert (counts["jobs"], counts["messages"]) == (1, 1)
    assert counts["events"] > 3
    with pytest.raises(UnknownJob):
        look(engine, old)
    assert look(engine, young).status == "done"
    assert rows(engine, "oms.messages") == 1
    # A second look finds nothing.
    assert not any(prune(engine, forward).values())


def test_an_open_job_is_never_removed(engine: sa.Engine, shop: Recipe, forward: Forward) -> None:
    """However old a job is that has not ended, it stays."""
    job = order(engine, shop, 1)
    forward(1000 * DAY)
    assert not any(prune(engine, forward).values())
    assert look(engine, job).status == "waiting"


@pytest.mark.parametrize("indexed", [False, True])
def test_personal_data_goes_before_the_facts(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward, indexed: bool
) -> None:
    """Marked fields, their echo in results, and to whom a text went are erased; the rest is as it was."""
    marked = replace(shop, payload=_marked(shop.payload))
    with engine.begin() as connection:
        registry.register(connection, marked)
    job = done(engine, raw, marked, 1)
    if indexed:
        with engine.begin() as connection:
            search.index(connection)
    before = look(engine, job)
    forward(8 * DAY)
    counts = prune(engine, forward)
    assert (counts["personal_data"], counts["erased_messages"], counts.get("jobs", 0)) == (1, 1, 0)
    after = look(engine, job)
    assert after.payload == {"number": 1}
    assert rows(engine, "oms.job_search") == rows(engine, "oms.unindexed_words") == 0
    assert after.results["pick"] == {"reasons": ["heavy"]}
    assert after.erased_at is not None
    assert (after.status, after.outcome, after.finished_at) == (
        before.status,
        before.outcome,
        before.finished_at,
    )
    with engine.connect() as connection:
        [text] = outbox.texts_of(connection, job=job, limit=10)
        assert (text.to, text.fate) == ("", "delivered")
        assert text.body.endswith("by retention)")
        [whole] = connection.execute(sa.text("select to_jsonb(job)::text from oms.jobs as job")).scalars()
        sentences = list(explanation_words.sentences(explanation.read(connection, job, UTC)))
    assert PHONE not in whole
    assert f"Its personal data was erased on {after.erased_at:%Y-%m-%d} by retention." in sentences
    assert "Its event log was removed by retention." not in sentences
    # The same request still has the same job, and one with other content is told so.
    with engine.begin() as connection:
        again = accept.start_job(connection, marked, {"number": 1, "phone": PHONE}, requested_by="test")
        assert (again.job.id, again.created) == (job, False)
        with pytest.raises(KeyReused):
            accept.start_job(connection, marked, {"number": 1.5}, key="1", requested_by="test")


def _marked(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    fields = {
        **schema["properties"],
        "phone": {"type": "string", "personal": True},
        "number": {"type": "number"},
    }
    return {**schema, "properties": fields}


def test_a_key_is_known_for_longer_than_its_job(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward
) -> None:
    """Asking again with the key of a removed job makes none, until the key's own time is over."""
    job = done(engine, raw, shop, 1)
    forward(31 * DAY)
    assert prune(engine, forward)["jobs"] == 1
    with pytest.raises(KeyOfRemovedJob, match=f"job-{job} had the key '1'"):
        order(engine, shop, 1)
    with engine.connect() as connection:
        known = known_keys.find(connection, shop.type, ["1", "2"])
    assert {key: (item.id, item.status, item.outcome) for key, item in known.items()} == {
        "1": (job, "done", "sent")
    }
    forward(335 * DAY)
    assert prune(engine, forward)["keys"] == 1
    assert order(engine, shop, 1) > job


def test_a_job_waits_for_acceptances_that_may_not_know_its_key(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward
) -> None:
    """While a transaction is open that began before the key was noted, its job stays."""
    done(engine, raw, shop, 1)
    forward(31 * DAY)
    pruner = Pruner(KEEP, None)
    with engine.begin() as open_one:
        open_one.exec_driver_sql("select pg_current_xact_id()")
        for _ in range(20):
            with engine.begin() as connection:
                pruner.remove_next(connection)
            forward(MINUTE)
            pruner._rests = {key: rest for key, rest in pruner._rests.items() if rest[1]}
        assert rows(engine, "oms.jobs") == 1
    assert prune(engine, forward)["jobs"] == 1


def test_a_cancelled_job_leaves_its_key_free(engine: sa.Engine, shop: Recipe, forward: Forward) -> None:
    """A cancelled job has given its key back already: removed, it keeps nobody from asking."""
    job = order(engine, shop, 1)
    with engine.begin() as connection:
        commands.cancel_jobs(connection, [job], who="test", reason="no")
    forward(31 * DAY)
    assert prune(engine, forward)["jobs"] == 1
    assert order(engine, shop, 1) > job


@pytest.mark.parametrize("target", [Target(job_id=1), Target(key="1"), Target(key="1", type="shop:order:v1")])
def test_what_is_held_is_neither_removed_nor_erased(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward, target: Target
) -> None:
    """A legal hold keeps a job whole, however it is named, until it is removed; other jobs go."""
    held, other = (done(engine, raw, shop, number) for number in (1, 2))
    assert held == 1
    with engine.begin() as connection:
        hold = holds.add(connection, target, reason="a lawsuit", who="ann")
    assert hold.jobs == 1
    forward(1000 * DAY)
    assert prune(engine, forward)["jobs"] == 1
    assert look(engine, held).payload["phone"] == PHONE
    with engine.connect() as connection:
        [result] = due.read(connection, rules.read(connection, KEEP))
    assert (result.jobs, result.held) == (0, 1)
    with engine.begin() as connection:
        ended = holds.remove(connection, hold.id, reason="settled", who="ann")
        assert (ended.ended_by, holds.find(connection)) == ("ann", [])
        assert [item.id for item in holds.find(connection, ended=True)] == [hold.id]
    assert prune(engine, forward)["jobs"] == 1
    with pytest.raises(NothingHeld), engine.begin() as connection:
        holds.add(connection, Target(job_id=other), reason="too late", who="ann")


def test_a_cycle_is_kept_while_it_runs_and_its_report_after(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward
) -> None:
    """No job of a cycle goes while one is open; when they are gone, its report says the same as before."""
    with engine.begin() as connection:
        cycle = cycles.begin(connection, job_type=shop.type, name="day.csv", requested_by="test").id
        cycles.add(connection, cycle, accepted=2, duplicates=0, differing=0, refused=0)
        cycles.close(connection, cycle)
    first, second = (order_in(engine, shop, number, cycle) for number in (1, 2))
    finish(engine, raw, first)
    forward(40 * DAY)
    assert not prune(engine, forward).get("jobs", 0)
    finish(engine, raw, second)
    forward(40 * DAY)
    with engine.connect() as connection:
        before = cycles.report(connection, cycle)
    assert (before.progress.done, before.reasons) == (2, {"heavy": 2})
    assert prune(engine, forward)["jobs"] == 2
    with engine.connect() as connection:
        after = cycles.report(connection, cycle)
    assert after.lost == 0
    assert replace(after, progress=replace(after.progress, now=before.progress.now)) == before


def order_in(engine: sa.Engine, recipe: Recipe, number: int, cycle: int) -> int:
    """Accept one order of a cycle."""
    with engine.begin() as connection:
        accepted = accept.accept_many(
            connection, recipe, [{"number": number, "phone": PHONE}], requested_by="test", batch_id=cycle
        )
        return accepted.jobs[0]


def test_what_an_open_incident_or_an_undo_needs_stays(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward
) -> None:
    """Late jobs of an incident stay until it is resolved, and changed ones until nobody can undo that."""
    listed, changed = (done(engine, raw, shop, number) for number in (1, 2))
    forward(31 * DAY)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into ops.incidents (rule, queue, state, active_at, last_true_at)"
                " values ('late', 'shop', 'open', oms.now(), oms.now());"
                "insert into ops.incident_jobs (incident_id, job_id, deadline)"
                " values (1, :listed, oms.now());"
                "insert into oms.changes (undo_until, actor, action)"
                " values (oms.now() + interval '1 hour', 'ann', 'retry');"
                "insert into oms.changed_jobs (job_id, event_id, change_id) values (:changed, 1, 1)"
            ),
            {"listed": listed, "changed": changed},
        )
    assert not prune(engine, forward).get("jobs", 0)
    forward(2 * 60 * MINUTE)
    assert prune(engine, forward)["jobs"] == 1
    with engine.begin() as connection:
        connection.exec_driver_sql("update ops.incidents set state = 'resolved', resolved_at = oms.now()")
    assert prune(engine, forward)["jobs"] == 1


def test_a_job_with_a_text_on_its_way_stays(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward
) -> None:
    """While a text of a job has not arrived, or failed for good, the job stays with it; then both go."""
    done(engine, raw, shop, 1)
    for state in ("pending", "unknown", "sent"):
        with engine.begin() as connection:
            connection.execute(
                sa.text("update oms.messages set state = :state, finished_at = null"), {"state": state}
            )
        forward(31 * DAY)
        assert not any(prune(engine, forward).values())
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.messages set state = 'failed', finished_at = oms.now()")
    assert prune(engine, forward)["jobs"] == 1


def test_a_recipe_keeps_its_own_time(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward
) -> None:
    """What the recipe says holds for all jobs of its type, also for those that were accepted before."""
    job = done(engine, raw, shop, 1)
    forward(10 * DAY)
    assert not prune(engine, forward).get("jobs", 0)
    with engine.begin() as connection:
        registry.register(connection, replace(shop, retention={"jobs": "9d"}))
        [rule] = rules.read(connection, KEEP)
    assert (rule.keep.jobs, rule.keep.events) == (9 * DAY, 9 * DAY)
    assert prune(engine, forward)["jobs"] == 1
    with pytest.raises(UnknownJob):
        look(engine, job)


def test_what_is_never_removed(engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Forward) -> None:
    """A duration of never keeps a job for good, whatever the others are."""
    done(engine, raw, shop, 1)
    with engine.begin() as connection:
        registry.register(connection, replace(shop, retention={"jobs": "never"}))
    forward(10_000 * DAY)
    counts = prune(engine, forward)
    assert not counts.get("jobs", 0)
    assert (counts["months"], counts["messages"]) == (1, 1)
    with engine.connect() as connection:
        sentences = list(explanation_words.sentences(explanation.read(connection, 1, UTC)))
    assert "Its event log was removed by retention." in sentences


def test_the_audit_trail_has_its_own_time(engine: sa.Engine, forward: Forward) -> None:
    """Lines of the audit trail go when they are older than the setting, and by nobody else's hand."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into oms.audit (actor, roles, action, status) values ('a', '{}', 'x', 200)"
        )
    forward(100 * DAY)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
        connection.exec_driver_sql("delete from oms.audit")
    assert prune(engine, forward, audit=101 * DAY)["audit"] == 0
    assert prune(engine, forward, audit=99 * DAY)["audit"] == 1


def test_only_one_removes_at_a_time(engine: sa.Engine, shop: Recipe) -> None:
    """While a hold is being set, or another process removes, a bite does nothing and comes back."""
    order(engine, shop, 1)
    with engine.begin() as item, engine.begin() as other:
        holds.add(item, Target(job_id=1), reason="a lawsuit", who="ann")
        removed = Pruner(KEEP, None).remove_next(other)
    assert (removed.counts, removed.over, removed.pause > 0) == ({}, False, True)


ENDED = st.lists(
    st.tuples(
        st.sampled_from(["shop", "returns"]),
        st.sampled_from(["done", "failed", "cancelled"]),
        # Minutes before now, at which it ended: of some more than one bite removes from a quarter of an hour.
        st.sampled_from([0, 43_000, 45_000, 45_007, 60_000, 60_001, 60_002, 86_000]),
        st.integers(-90_000, 90_000),  # seconds by which it was late
        st.sampled_from([30.0, 60.0]),
    ),
    min_size=1,
    max_size=40,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)
@example(ended=[("shop", "done", 45_000, 60, 30.0)] * 12, zone="UTC")
@given(ended=ENDED, zone=st.sampled_from(["America/Chicago", "Asia/Kathmandu", "UTC"]))
def test_reports_say_the_same_after_a_prune(
    engine: sa.Engine,
    shop: Recipe,
    returns: Recipe,
    forward: Forward,
    ended: list[tuple[Any, ...]],
    zone: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Counts, shares and lateness by queue and day are the same, whatever part of the span was removed."""
    with engine.begin() as connection:
        connection.exec_driver_sql("truncate oms.jobs, oms.job_search, oms.job_sums restart identity cascade")
        for queue, status, minutes, seconds, sla in ended:
            connection.execute(
                sa.text(
                    "insert into oms.jobs (type, recipe_id, steps, queue, status, sla, sla_minutes, payload,"
                    " requested_by, created_at, finished_at, outcome)"
                    " select 'shop:order:v1', 1, '{pick}', :queue, :status,"
                    " at - make_interval(secs => :late), :sla, '{}', 'test', at - interval '2 days', at,"
                    " 'sent'"
                    " from (select oms.now() - make_interval(mins => :minutes)) as moment (at)"
                ),
                {"queue": queue, "status": status, "minutes": minutes, "late": seconds, "sla": sla},
            )
    monkeypatch.setattr(walk, "LOOK", 5)
    office = ZoneInfo(zone)
    with engine.connect() as connection:
        now = health.clock(connection)
        since, until = sla_report.week(now - 60 * DAY, office)[0], sla_report.week(now, office)[1]
        before = sla_report.report(connection, since, until, office)
        buckets = sla_report.lateness(connection, "shop", since, until)
    prune(engine, lambda _: None)
    with engine.connect() as connection:
        after = sla_report.report(connection, since, until, office)
        assert after.days == before.days
        assert (after.whole, after.queues) == (before.whole, before.queues)
        assert sla_report.lateness(connection, "shop", since, until) == buckets
        left = connection.scalar(
            sa.text("select count(*) from oms.jobs where finished_at < oms.now() - interval '31 days'")
        )
    assert left == 0
