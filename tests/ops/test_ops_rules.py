"""The rules: what each says of a snapshot, at and around its thresholds. No data is no finding."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hms_oms.broker.broker_state import BrokerState
from hms_oms.database.refusals import SILENT
from hms_ops.findings import Finding
from hms_ops.forecast.cause import document
from hms_ops.forecast.snapshot import Forecast, HorizonHolder, HostSnapshot, QueueSnapshot, Snapshot, Waits
from hms_ops.rules import RULES, Rule

NOW = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
BY_NAME: Mapping[str, Rule] = {rule.name: rule for rule in RULES}


def ago(seconds: float) -> datetime:
    """So many seconds before now."""
    return NOW - timedelta(seconds=seconds)


def judge(name: str, observed: QueueSnapshot | Snapshot, **limits: float) -> list[Finding]:
    """What a rule finds in one queue or snapshot, by its defaults but for `limits`."""
    rule = BY_NAME[name]
    snapshot = observed if isinstance(observed, Snapshot) else Snapshot(NOW, [observed])
    return list(rule.judge(snapshot, lambda limit, _: {**rule.defaults, **limits}[limit]))


def only(findings: Sequence[Finding]) -> Finding:
    """The one finding that there is, whose facts are JSON."""
    (finding,) = findings
    assert json.loads(json.dumps(finding.facts)) == finding.facts
    return finding


#: A queue with something of everything and nothing wrong.
WELL = QueueSnapshot(
    "farm-grant",
    sla_minutes=10,
    waiting=40,
    queued=8,
    running=4,
    oldest_waiting=ago(200),
    oldest_queued=ago(20),
    next_sla=NOW + timedelta(minutes=7),
    workers=2,
    slots=4,
    waits=Waits(120.0, 100.0, 190.0, 200.0, 300, "events"),
    finished=900,
    failed=3,
    last_finished=ago(1),
    rate=3.0,
    forecast=Forecast(0, None, NOW + timedelta(minutes=9), NOW + timedelta(minutes=1), 3.0, 2, trusted=True),
)
BREACH = Forecast(
    120,
    NOW + timedelta(minutes=6),
    NOW + timedelta(minutes=8),
    NOW + timedelta(hours=1),
    1.5,
    9,
    trusted=True,
)


@pytest.mark.parametrize(
    ("state", "redis", "dispatcher"),
    [
        (None, [], []),
        (BrokerState(1.0), [], []),
        (BrokerState(1.0, ago(30), "read-only", "is read-only"), [30.0], []),
        # What a silent dispatcher has seen of Redis is no news.
        (BrokerState(40.0, ago(30), "read-only", "is read-only"), [], [40.0]),
    ],
)
def test_redis_and_the_dispatcher_are_judged_by_the_last_report(
    state: BrokerState | None, redis: list[float], dispatcher: list[float]
) -> None:
    """One cause at a time: a refusal is the report's, a silence is that there is none."""
    snapshot = Snapshot(NOW, [WELL], broker=state)
    assert [finding.value for finding in judge("redis", snapshot)] == redis
    assert [finding.value for finding in judge("dispatcher", snapshot)] == dispatcher
    idle = Snapshot(NOW, [QueueSnapshot("farm-grant", 10.0)], broker=state)
    assert judge("dispatcher", idle) == []


def test_every_rule_has_a_name_a_title_and_thresholds_that_are_numbers() -> None:
    """Names are told apart, titles are there, defaults are numbers from zero up."""
    assert list(BY_NAME) == [
        *("late", "slow", "forecast", "stalled", "redis", "dispatcher", "no-worker"),
        *("failing", "busy-host", "schedule", "outbox", "webhook", "held-horizon", "behind"),
    ]
    assert all(rule.title for rule in RULES)
    assert all(value >= 0 for rule in RULES for value in rule.defaults.values())


@pytest.mark.parametrize("name", list(BY_NAME))
@pytest.mark.parametrize(
    "snapshot",
    [
        Snapshot(NOW),
        Snapshot(NOW, [QueueSnapshot("farm-grant", None)], [HostSnapshot("a", 20.0, 1, 1)]),
        Snapshot(NOW, [QueueSnapshot("farm-grant", 10, waiting=5, queued=5, running=5, workers=1, slots=4)]),
        Snapshot(NOW, [WELL], [HostSnapshot("a", 89.9, 1, 2)], 3, ago(1), ago(1), ago(1), 2),
    ],
    ids=["nothing", "idle", "no data", "well"],
)
def test_all_is_well(name: str, snapshot: Snapshot) -> None:
    """Nothing is found where nothing is wrong, nor where nothing is known."""
    assert judge(name, snapshot) == []


@pytest.mark.parametrize(
    "change",
    [{}, {"paused_at": ago(60)}, {"workers": 0}, {"waiting": 0, "running": 3}, {"agent_only": True}],
    ids=["waiting", "paused", "no worker", "running", "agents"],
)
def test_late_in_whatever_state(change: dict[str, Any]) -> None:
    """Late jobs are found whatever their queue is at; the value is how late the worst one is."""
    result = only(judge("late", replace(WELL, late=3, late_since=ago(75), **change)))
    assert (result.key, result.value, result.late_jobs) == (("late", "farm-grant", None), 75.0, 3)
    assert result.facts["late_since"] == "2026-11-23T07:58:45+00:00"
    assert result.facts["paused"] == ("paused_at" in change)


def test_each_late_queue_is_found_on_its_own() -> None:
    """Two queues are two findings, and one that is on time is none."""
    late = replace(WELL, late=1, late_since=ago(1))
    snapshot = judge(
        "late", Snapshot(NOW, [late, replace(late, name="appeal-review"), replace(WELL, name="x")])
    )
    assert [finding.queue for finding in snapshot] == ["farm-grant", "appeal-review"]


def waiting(mean: float | None, begun: int = 300) -> Waits:
    """Waits with this mean."""
    return Waits(mean, mean, mean, mean, begun, "ledger")


@pytest.mark.parametrize(
    ("mean", "share", "expected"),
    [(600.0, 1.0, False), (600.1, 1.0, True), (300.0, 0.5, False), (301.0, 0.5, True), (None, 1.0, False)],
)
def test_slow_is_a_mean_wait_above_the_sla(mean: float | None, share: float, expected: bool) -> None:
    """Ten minutes are allowed, of which a share may be set."""
    observed = replace(WELL, waits=waiting(mean), oldest_waiting=ago(700))
    assert bool(judge("slow", observed, share=share)) == expected


def test_slow_is_over_when_nobody_waits_too_long() -> None:
    """The mean of five minutes is still high when all who waited have had their turn."""
    observed = replace(WELL, waits=waiting(900.0), oldest_waiting=ago(700))
    assert judge("slow", observed)
    assert judge("slow", replace(observed, oldest_waiting=None)) == []
    assert judge("slow", replace(observed, oldest_waiting=ago(200))) == []
    assert judge("slow", replace(observed, oldest_waiting=None, oldest_queued=ago(700)))


def test_slow_needs_jobs_and_an_sla() -> None:
    """A mean of four jobs is none, those that still wait included; without an SLA nothing is too long."""
    few = replace(WELL, waiting=1, queued=1, waits=waiting(900.0, begun=2), oldest_waiting=ago(700))
    assert judge("slow", few) == []
    assert only(judge("slow", replace(few, waiting=2))).value == 900.0
    assert judge("slow", replace(few, waiting=2, sla_minutes=None)) == []


def test_a_new_sla_is_watched_at_once() -> None:
    """The same wait is too long once the SLA is shorter."""
    assert judge("slow", WELL) == []
    assert only(judge("slow", replace(WELL, sla_minutes=1))).facts["sla_minutes"] == 1


@pytest.mark.parametrize("paused_at", [None, ago(60)])
def test_a_forecast_breach_is_announced_with_what_it_takes(paused_at: datetime | None) -> None:
    """How many, from when, by which deadline, with how many slots; in paused queues too."""
    queue = replace(WELL, forecast=BREACH, paused_at=paused_at)
    result = only(judge("forecast", queue))
    assert (result.value, result.late_jobs) == (120, 120)
    assert result.facts == {
        "late": 120,
        "first_late": "2026-11-23T08:06:00+00:00",
        "deadline": "2026-11-23T08:08:00+00:00",
        "done_at": "2026-11-23T09:00:00+00:00",
        "chance": None,
        "riskiest": None,
        "rate": 1.5,
        "slots": 4,
        "slots_needed": 9,
        "paused": paused_at is not None,
        "given_up": 0,
        "given_up_since": None,
        "cause": document(queue.cause),
    }
    assert queue.cause is not None
    assert queue.cause.first.verb == ("resume" if paused_at else "add-workers")


def test_a_forecast_calls_nobody_unless_it_is_trusted() -> None:
    """A rate that rests on a few jobs, or a breach of fewer jobs than asked for, is kept quiet."""
    assert judge("forecast", replace(WELL, forecast=replace(BREACH, trusted=False))) == []
    assert judge("forecast", replace(WELL, forecast=BREACH), jobs=121) == []
    assert judge("forecast", replace(WELL, forecast=BREACH), jobs=120)


def test_a_forecast_without_end_or_slots_is_told() -> None:
    """Where nothing is ever done, what is not known is null."""
    never = replace(BREACH, done_at=None, slots_needed=None, rate=0.0)
    result = only(judge("forecast", replace(WELL, forecast=never)))
    assert result.facts["done_at"] is None
    assert result.facts["slots_needed"] is None


STUCK = replace(WELL, last_finished=ago(301), oldest_waiting=ago(900))


def test_stalled_is_five_minutes_without_a_step_finished() -> None:
    """At five minutes it may still go on, a second later it stands still."""
    assert judge("stalled", replace(STUCK, last_finished=ago(300))) == []
    result = only(judge("stalled", STUCK))
    assert (result.value, result.facts["running"]) == (301.0, 4)
    assert judge("stalled", STUCK, minutes=10) == []


def test_work_that_has_just_arrived_has_not_stalled() -> None:
    """A queue that was idle all night is given its five minutes, in the backlog and in the window."""
    night = replace(STUCK, last_finished=ago(40_000))
    assert judge("stalled", replace(night, oldest_waiting=ago(2), oldest_queued=None)) == []
    assert judge("stalled", replace(night, oldest_waiting=None, oldest_queued=ago(2), waiting=0)) == []
    assert judge("stalled", replace(night, oldest_waiting=None, oldest_queued=None)) == []
    assert only(judge("stalled", replace(night, oldest_waiting=None, waiting=0, oldest_queued=ago(400))))
    assert only(judge("stalled", replace(night, last_finished=None))).value == 900.0


def test_work_that_can_be_done_again_is_given_its_time() -> None:
    """After a pause, or a time without workers, the five minutes begin again."""
    assert judge("stalled", replace(STUCK, able_since=ago(300))) == []
    assert only(judge("stalled", replace(STUCK, able_since=ago(301)))).value == 301.0


@pytest.mark.parametrize(
    ("name", "queue", "known"),
    [
        ("forecast", {}, True),
        ("forecast", {"waiting": 1}, False),
        ("forecast", {"waiting": 1, "forecast": replace(BREACH, trusted=False)}, False),
        ("forecast", {"waiting": 1, "forecast": BREACH}, True),
        ("slow", {}, False),
        ("slow", {"waits": waiting(1.0)}, True),
        ("failing", {"finished": 3}, False),
        ("failing", {"finished": 3, "failed": 0}, True),
        ("late", {}, True),
    ],
)
def test_what_a_rule_cannot_tell(name: str, queue: dict[str, Any], known: bool) -> None:
    """Without the data that a rule needs it says so: nothing found is not all well."""
    unknown = BY_NAME[name].unknown(Snapshot(NOW, [QueueSnapshot("farm-grant", 10, **queue)]))
    assert unknown == ([] if known else [(name, "farm-grant", None)])


def test_a_watch_without_events_yet_cannot_tell_whether_it_is_deaf() -> None:
    """After a new start the workers are not heard at once."""
    busy = QueueSnapshot("farm-grant", 10, running=1, workers=1)
    assert BY_NAME["behind"].unknown(Snapshot(NOW, [busy])) == [("behind", None, "events")]
    assert BY_NAME["behind"].unknown(Snapshot(NOW, [busy], events_at=ago(100))) == []
    assert BY_NAME["behind"].unknown(Snapshot(NOW)) == []


@pytest.mark.parametrize(
    "change",
    [{"paused_at": ago(1000)}, {"workers": 0}, {"waiting": 0, "queued": 0}],
    ids=["paused", "no worker", "only running"],
)
def test_what_need_not_move_has_not_stalled(change: dict[str, Any]) -> None:
    """A pause and a missing worker have other names; a long step alone holds nobody up."""
    assert judge("stalled", replace(STUCK, **change)) == []


@pytest.mark.parametrize("state", ["waiting", "queued", "running"])
def test_work_without_a_worker(state: str) -> None:
    """Whatever state the work is in, somebody has to be there."""
    work: dict[str, Any] = {state: 7}
    alone = QueueSnapshot("farm-grant", 10, workers=0, **work)
    assert only(judge("no-worker", alone)).value == 7
    assert judge("no-worker", replace(alone, workers=1)) == []


@pytest.mark.parametrize(
    "change",
    [{"paused_at": ago(1)}, {"agent_only": True}, {"waiting": 0, "delayed": 7}],
    ids=["paused", "agents", "delayed"],
)
def test_no_worker_is_missed_where_none_is_needed(change: dict[str, Any]) -> None:
    """Paused queues, queues of agents and work that may not start yet can do without."""
    assert judge("no-worker", replace(QueueSnapshot("farm-grant", 10, waiting=7), **change)) == []


@pytest.mark.parametrize(
    ("finished", "failed", "expected"),
    [(80, 20, False), (79, 21, True), (15, 4, False), (15, 5, True), (0, 19, False), (0, 20, True)],
)
def test_failing_needs_a_low_rate_and_enough_steps(finished: int, failed: int, expected: bool) -> None:
    """Below eighty percent of at least twenty steps."""
    assert bool(judge("failing", replace(WELL, finished=finished, failed=failed))) == expected


def test_failing_is_told_in_percent_that_failed() -> None:
    """The value grows with what is wrong; without any step there is no rate."""
    assert only(judge("failing", replace(WELL, finished=25, failed=75))).value == 75.0
    assert judge("failing", replace(WELL, finished=0, failed=0), steps=0) == []
    assert judge("failing", replace(WELL, failed=None)) == []


def test_a_busy_host_is_the_subject() -> None:
    """Each host at ninety percent or more is found under its name, for no queue."""
    hosts = [
        HostSnapshot("barn", 90.0, 1, 2),
        HostSnapshot("silo", 89.9, 1, 2),
        HostSnapshot("shed", 100.0, 1, 1),
    ]
    snapshot = judge("busy-host", Snapshot(NOW, hosts=hosts))
    assert [finding.key for finding in snapshot] == [("busy-host", None, "barn"), ("busy-host", None, "shed")]
    assert snapshot[1].value == 100.0


def test_a_transaction_that_is_open_for_long() -> None:
    """A quarter of an hour is allowed; what holds dead rows is named."""
    holder = HorizonHolder("transaction", "4711", "psql", "ann", ago(900))
    assert judge("held-horizon", Snapshot(NOW)) == []
    assert judge("held-horizon", Snapshot(NOW, horizon=holder)) == []
    finding = only(judge("held-horizon", Snapshot(NOW, horizon=replace(holder, since=ago(901)))))
    assert (finding.key, finding.value) == (("held-horizon", None, None), 901.0)
    assert (finding.facts["program"], finding.facts["name"]) == ("psql", "4711")


def test_an_outbox_that_does_not_empty() -> None:
    """Two minutes are allowed."""
    assert judge("outbox", Snapshot(NOW, unsent=4, unsent_since=ago(120))) == []
    snapshot = only(judge("outbox", Snapshot(NOW, unsent=4, unsent_since=ago(121))))
    assert (snapshot.value, snapshot.facts["unsent"]) == (121.0, 4)


def test_a_watch_that_looks_too_seldom_is_behind() -> None:
    """Ten seconds between two looks are allowed."""
    assert judge("behind", Snapshot(NOW, looked_before=ago(10))) == []
    assert only(judge("behind", Snapshot(NOW, looked_before=ago(11)))).key == ("behind", None, None)


def test_a_watch_that_hears_nothing_of_workers_with_work_is_behind() -> None:
    """A minute of silence is found under its own subject, unless there is nothing to be heard."""
    silent = Snapshot(NOW, [WELL], events_at=ago(61))
    assert only(judge("behind", silent)).key == ("behind", None, "events")
    assert judge("behind", replace(silent, events_at=ago(60))) == []
    assert judge("behind", replace(silent, queues=[replace(WELL, workers=0)])) == []
    assert judge("behind", replace(silent, queues=[replace(WELL, queued=0, running=0)])) == []
    # What is heard comes by Redis, whose silence is an incident already.
    assert judge("behind", replace(silent, broker=BrokerState(1.0, NOW, SILENT.kind, SILENT.words))) == []
    assert len(judge("behind", replace(silent, looked_before=ago(61)))) == 2
