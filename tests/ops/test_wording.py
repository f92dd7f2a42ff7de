"""Texts: one GSM-7 segment each, whatever the queues and people are called."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hms_oms.broker.broker_state import BrokerState
from hms_oms.messages.gsm7 import septets
from hms_oms.schedules.troubles import ScheduleTrouble
from hms_ops.forecast.snapshot import (
    Forecast,
    HorizonHolder,
    HostSnapshot,
    QueueSnapshot,
    Snapshot,
    TroubledWebhook,
    Waits,
)
from hms_ops.incidents import wording
from hms_ops.incidents.store import Incident
from hms_ops.rules import RULES

CHICAGO = ZoneInfo("America/Chicago")
NOW = datetime(2026, 7, 1, 15, 42, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OOM = "is out of memory and refuses writes (maxmemory)"


def incident(rule: str = "late", **values: Any) -> Incident:
    """An open incident, with what the rule said of the morning below."""
    facts, queue, subject = FOUND.get(rule, ({}, "farm-grant", None))
    empty = dict.fromkeys(Incident.__dataclass_fields__)
    known: dict[str, Any] = {
        "id": 1,
        "rule": rule,
        "queue": queue,
        "subject": subject,
        "state": "open",
        "reference": "K7",
        "facts": facts,
        "late_jobs": 0,
        "page_seq": 1,
        "resolved_at": NOW,
        "signals": {},
    }
    return Incident(**{**empty, **known, **values})


def _found() -> dict[str, tuple[dict[str, Any], str | None, str | None]]:
    """What each rule finds in a morning that goes wrong in every way."""
    queue = QueueSnapshot(
        "farm-grant",
        10.0,
        waiting=1412,
        late=1412,
        late_since=NOW - 6 * MINUTE,
        oldest_waiting=NOW - 20 * MINUTE,
        next_sla=NOW + MINUTE,
        waits=Waits(840.0, None, None, None, 30, "events"),
        finished=20,
        failed=40,
        last_finished=NOW - 7 * MINUTE,
        forecast=Forecast(
            12,
            NOW + 5 * MINUTE,
            None,
            None,
            1.0,
            9,
            trusted=True,
            late_chance=0.874,
            riskiest=NOW + 7 * MINUTE,
        ),
    )
    staffed = replace(queue, workers=2, slots=8)
    snapshot = Snapshot(
        NOW,
        [replace(queue, name="pens"), staffed],
        [HostSnapshot("barn", 97.4, 1, 4)],
        unsent=40,
        unsent_since=NOW - 3 * MINUTE,
        looked_before=NOW - 40 * MINUTE,
        broker=BrokerState(1.0, NOW - 3 * MINUTE, "out-of-memory", OOM),
        horizon=HorizonHolder("transaction", "4711", "psql", "ann", NOW - 31 * MINUTE),
        webhooks=[TroubledWebhook("billing", NOW - 20 * MINUTE, "HTTP 500", given_up=2)],
        schedules=[
            ScheduleTrouble(
                "daily",
                "farm-grant",
                "missing",
                NOW - 15 * MINUTE,
                "no new file grants/*.csv in /srv/incoming",
                NOW - 30 * MINUTE,
            )
        ],
    )
    silent = replace(snapshot, broker=BrokerState(130.0))
    result = {}
    for rule in RULES:
        observed = silent if rule.name == "dispatcher" else snapshot
        finding = rule.judge(observed, lambda name, _, rule=rule: rule.defaults[name])[-1]
        facts = {**finding.facts, "value": finding.value, "late_jobs": finding.late_jobs}
        result[rule.name] = (facts, finding.queue, finding.subject)
    return result


FOUND = _found()


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (
            "late",
            (
                "HMS #K7 farm-grant: 1,412 jobs late since 10:36 CDT, oldest 6 min; too few slots:"
                " add 1 worker (1 slot). Reply ACK K7."
            ),
        ),
        ("slow", "HMS #K7 farm-grant: jobs wait 14 min on average, SLA 10 min. Reply ACK K7."),
        (
            "forecast",
            (
                "HMS #K7 farm-grant: 12 jobs will be late from 10:47 CDT (87 % likely at 10:49 CDT); too few"
                " slots: add 1 worker (1 slot). Reply ACK K7."
            ),
        ),
        ("stalled", "HMS #K7 farm-grant: no step finished for 7 min, 1,412 jobs wait. Reply ACK K7."),
        (
            "redis",
            (
                "HMS #K7 floor: cannot hand out: Redis is out of memory and refuses writes (maxmemory),"
                " since 10:39 CDT. Reply ACK K7."
            ),
        ),
        (
            "dispatcher",
            (
                "HMS #K7 floor: no dispatcher is at work, the last one was heard 2 min ago; 2,824 jobs wait."
                " Reply ACK K7."
            ),
        ),
        ("no-worker", "HMS #K7 pens: no worker for 1,412 jobs, next due 10:43 CDT. Reply ACK K7."),
        ("failing", "HMS #K7 farm-grant: 40 of 60 steps failed in 5 min (66.7 %). Reply ACK K7."),
        ("busy-host", "HMS #K7 barn: CPU at 97 % with 4 workers. Reply ACK K7."),
        ("outbox", "HMS #K7 floor: 40 texts not sent, oldest 3 min. Reply ACK K7."),
        (
            "schedule",
            (
                "HMS #K7 farm-grant: schedule daily misses its file since 10:27 CDT:"
                " no new file grants/*.csv in /srv/incoming. Reply ACK K7."
            ),
        ),
        (
            "webhook",
            (
                "HMS #K7 floor: the webhook billing has taken no event for 20 min; 2 events given up:"
                " HTTP 500. Reply ACK K7."
            ),
        ),
        (
            "held-horizon",
            (
                "HMS #K7 floor: a transaction of psql (pid 4711, ann) has kept dead rows from being removed"
                " for 31 min. Reply ACK K7."
            ),
        ),
        ("behind", "HMS #K7 floor: the watch did not look for 40 min, from 10:02 CDT. Reply ACK K7."),
    ],
)
def test_each_rule_has_its_words(rule: str, says: str) -> None:
    """What is wrong, where, since when in the reader's zone, and what to answer."""
    assert wording.page(incident(rule), CHICAGO) == says
    assert wording.sentence(incident(rule), CHICAGO) == says.removeprefix("HMS #K7 ").removesuffix(
        " Reply ACK K7."
    )


@pytest.mark.parametrize(
    ("rule", "worst", "says"),
    [
        ("late", 240.0, "farm-grant: 1,412 jobs were late, the worst by 4 min."),
        ("slow", 900.0, "farm-grant: jobs waited 15 min on average, SLA 10 min."),
        ("forecast", 40, "farm-grant: up to 40 jobs were going to be late."),
        ("stalled", 420.0, "farm-grant: no step finished for 7 min."),
        ("redis", 240.0, f"floor: Redis took no writes for 4 min: it {OOM}."),
        ("dispatcher", 240.0, "floor: no dispatcher was at work for 4 min."),
        ("no-worker", 1, "pens: no worker for 1 job."),
        ("failing", 66.7, "farm-grant: up to 66.7 % of the steps failed."),
        ("busy-host", 97.4, "barn: CPU was at up to 97 %."),
        ("outbox", 180.0, "floor: texts were not sent for 3 min."),
        ("schedule", 1200.0, "farm-grant: schedule daily missed its file for 20 min."),
        ("webhook", 1200.0, "floor: the webhook billing took no events for 20 min."),
        (
            "held-horizon",
            1860.0,
            ("floor: a transaction of psql (pid 4711, ann) kept dead rows from being removed for 31 min."),
        ),
        ("behind", 2400.0, "floor: the watch did not look for 40 min."),
    ],
)
def test_what_is_over_is_told_at_its_worst(rule: str, worst: float, says: str) -> None:
    """On a screen, not what the last look saw of it."""
    over = incident(rule, state="resolved", worst=worst, late_jobs=1412)
    assert wording.sentence(over, CHICAGO) == says


@pytest.mark.parametrize(
    ("kind", "name", "program", "held_by", "helps"),
    [
        (
            "transaction",
            "4711",
            "psql",
            "a transaction of psql (pid 4711, ann)",
            "end it in its program, or with: select pg_terminate_backend(4711).",
        ),
        (
            "prepared transaction",
            "o'neill",
            None,
            "the prepared transaction o'neill",
            "end it: commit prepared 'o''neill', or rollback prepared 'o''neill'.",
        ),
        (
            "replication slot",
            "barn",
            "inactive",
            "the inactive replication slot barn",
            "bring its standby back, or drop it: select pg_drop_replication_slot('barn').",
        ),
        (
            "standby",
            "barn",
            "10.0.0.7",
            "the standby barn",
            "end the long query on the standby, or set hot_standby_feedback = off there.",
        ),
    ],
)
def test_what_holds_dead_rows_is_named_and_how_to_end_it(
    kind: str, name: str, program: str | None, held_by: str, helps: str
) -> None:
    """Each kind has its own end; the command can be pasted."""
    facts = {"kind": kind, "name": name, "program": program, "owner": "ann", "value": 1860.0}
    held = replace(incident("held-horizon"), facts=facts)
    assert wording.phrase(held, CHICAGO).startswith(f"{held_by} has kept dead rows")
    assert (wording.why(held, CHICAGO) or "").endswith(f"becomes slower: {helps}")
    assert wording.why(replace(held, state="resolved"), CHICAGO) is None


def test_every_rule_is_tried() -> None:
    """A new rule needs words, too."""
    assert set(FOUND) == {rule.name for rule in RULES}


def test_the_end_is_told_with_its_count() -> None:
    """By whom, when, and how many jobs were late."""
    over = incident(late_jobs=1)
    assert wording.ended(over, CHICAGO) == "HMS #K7 farm-grant: over at 10:42 CDT. 1 job was late."
    closed = incident(late_jobs=1412, resolved_by="ada")
    assert (
        wording.ended(closed, CHICAGO)
        == "HMS #K7 farm-grant: closed by ada at 10:42 CDT. 1,412 jobs were late."
    )


def test_several_incidents_are_one_text() -> None:
    """As many as fit are named, all are counted, and those that are over are told apart."""
    ten = [(f"K{number}", f"appeal-review-{number}") for number in range(10)]
    assert wording.merged(ten) == (
        "HMS: 10 incidents: appeal-review-0 #K0, appeal-review-1 #K1, appeal-review-2 #K2,"
        " appeal-review-3 #K3, appeal-review-4 #K4, +5 more. Reply ACK ALL."
    )
    two = [("K7", "farm-grant"), ("K8", None)]
    assert wording.merged(two, over={"K7"}) == (
        "HMS: 2 incidents: farm-grant #K7 (over), floor #K8. Reply ACK ALL."
    )
    assert wording.merged(two, over={"K7", "K8"}) == "HMS: 2 incidents over: farm-grant #K7, floor #K8."


def test_a_remedy_that_does_not_fit_is_not_begun() -> None:
    """What stands in the way is said whole, and no number loses its last digits."""
    item = incident("forecast", page_seq=2)
    item = replace(item, queue="appeal-review-of-two-counties", facts={**item.facts, "late_jobs": 10**7})
    assert wording.phrase(item, CHICAGO).endswith("; too few slots: add 1 worker (1 slot)")
    assert wording.page(item, CHICAGO).endswith(" CDT); too few slots. Reply ACK K7.")


@given(
    rule=st.sampled_from([rule.name for rule in RULES]),
    place=st.text(max_size=300),
    who=st.text(max_size=300),
    jobs=st.integers(0, 10**9),
    value=st.floats(0, 1e9),
    call=st.integers(1, 3),
)
def test_every_text_fits(rule: str, place: str, who: str, jobs: int, value: float, call: int) -> None:
    """Whatever a queue or a person is called: one segment, with room for one word more, and the reference."""
    item = incident(rule, page_seq=call, resolved_by=who, late_jobs=jobs)
    facts = {**item.facts, "late_jobs": jobs, "value": value}
    item = replace(item, facts=facts, queue=item.queue and place, subject=item.subject and place)
    for say in (wording.page, wording.flapping, wording.ended):
        text = say(item, CHICAGO)
        assert septets(text + " (resend)") <= 160
        assert "#K7" in text
    many = [("K7", place)] * 12
    assert septets(wording.merged(many) + " (resend)") <= 160
    assert wording.merged(many).startswith("HMS: 12 incidents: ")
