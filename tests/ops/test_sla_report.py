"""On-time shares, lateness and the causes of misses: counted by hand, by a model, and from event logs."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import given

from hms_act import accept
from hms_oms.database import health
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, ledger, losses
from hms_oms.jobs.on_time import Counts
from hms_oms.jobs.records import Completion, Event
from hms_oms.jobs.states import OPEN, TRANSITIONS, Fact, Status
from hms_oms.jobs.tickets import Ticket, job_name
from hms_oms.recipes.recipes import Recipe
from hms_ops.documents.reports import SlaCounts, SlaReport
from hms_ops.reports import misses, sla_report
from hms_ops.reports.misses import Cause

CHICAGO = ZoneInfo("America/Chicago")
#: A Monday, as Chicago has it, of the week in which its clocks go forward (Sunday, 8 March 2026).
MONDAY = datetime(2026, 3, 2, tzinfo=CHICAGO)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def record(engine: sa.Engine, shop: Recipe) -> Callable[..., None]:
    """Put jobs into the ledger as they stand: queue, status, deadline and end (None: open)."""

    def insert(*rows: tuple[str, str, datetime, datetime | None]) -> None:
        with engine.begin() as connection:
            connection.execute(
                sa.text(
                    "insert into oms.jobs (type, recipe_id, steps, queue, status, sla, sla_minutes, payload,"
                    " requested_by, created_at, finished_at) values ('shop:order:v1', 1, '{pick,pack,send}',"
                    " :queue, :status, :sla, 30, '{}', 'test', :created_at, :finished_at)"
                ),
                [
                    {
                        "queue": queue,
                        "status": status,
                        "sla": sla,
                        "created_at": sla - timedelta(minutes=30),
                        "finished_at": end,
                    }
                    for queue, status, sla, end in rows
                ],
            )

    return insert


def report(engine: sa.Engine, since: datetime, until: datetime) -> SlaReport:
    """The report of a span, by Chicago's days."""
    with engine.connect() as connection:
        return sla_report.report(connection, since, until, CHICAGO)


def counted(lateness: tuple[float, float] | None = None, **jobs: int) -> SlaCounts:
    """Counts of so many jobs, and what follows from them."""
    return SlaCounts.of(Counts(**jobs), lateness=lateness)


def now(engine: sa.Engine) -> datetime:
    """The ledger's time."""
    with engine.connect() as connection:
        return health.clock(connection)


def test_who_counts_and_where(engine: sa.Engine, record: Callable[..., None]) -> None:
    """Done by the deadline is on time, done later is late, failed is a miss, cancelled is nothing."""
    noon = MONDAY + timedelta(hours=12)
    record(
        ("shop", "done", noon, noon),
        ("shop", "done", noon, noon - MINUTE),
        ("shop", "done", noon, noon + MINUTE),
        ("desk", "done", noon, noon + 3 * MINUTE),
        ("desk", "failed", noon, noon - MINUTE),
        ("desk", "failed", noon, noon + 5 * MINUTE),
        ("desk", "cancelled", noon, noon + 9 * MINUTE),
    )
    measured = report(engine, *sla_report.week(noon, CHICAGO))
    assert measured.queues == {
        "shop": counted(on_time=2, late=1, lateness=(60.0, 60.0)),
        "desk": counted(late=1, failed=2, lateness=(240.0, pytest.approx(294.0))),
    }
    assert measured.whole == counted(on_time=2, late=2, failed=2, lateness=(180.0, pytest.approx(288.0)))
    assert (measured.whole.share_of_due, measured.whole.ended, measured.whole.missed) == (
        pytest.approx(1 / 3),
        6,
        4,
    )
    assert list(measured.days) == [date(2026, 3, 2) + timedelta(days=ahead) for ahead in range(7)]
    assert measured.days[date(2026, 3, 2)] == measured.whole
    assert measured.days[date(2026, 3, 3)] == counted()
    assert measured.days[date(2026, 3, 3)].share_of_due is None


def test_an_open_job_past_its_deadline_is_a_miss_of_now(
    engine: sa.Engine, record: Callable[..., None]
) -> None:
    """It counts in the span that holds this moment, however long ago its deadline was, and in no other."""
    moment = now(engine)
    record(
        *[("shop", status, moment - timedelta(days=3), None) for status in OPEN],
        ("shop", "waiting", moment + timedelta(hours=1), None),
        ("shop", "done", moment, moment - MINUTE),
    )
    here = report(engine, moment - timedelta(hours=1), moment + timedelta(hours=1)).whole
    assert (here.on_time, here.open_late, here.ended, here.share_of_due) == (1, 3, 1, 0.25)
    assert here.lateness is not None
    assert here.lateness[0] == pytest.approx(3 * 86400, abs=60)
    before = report(engine, moment - timedelta(days=4), moment - timedelta(hours=1)).whole
    assert before == counted()


def test_spans_meet_without_overlap(engine: sa.Engine, record: Callable[..., None]) -> None:
    """A job that ends at the very moment when one span ends and the next begins counts in the next, alone."""
    noon = MONDAY + timedelta(hours=12)
    record(("shop", "done", noon - MINUTE, noon))
    spans = [(MONDAY, noon), (noon, noon + MINUTE)]
    assert [report(engine, *span).whole.late for span in spans] == [0, 1]
    with engine.connect() as connection:
        assert [len(misses.worst(connection, *span)) for span in spans] == [0, 1]
        late = [sla_report.lateness(connection, None, *span) for span in spans]
    assert [sum(bucket.jobs for bucket in buckets) for buckets in late] == [0, 1]


def test_nothing_ended_is_no_share(engine: sa.Engine) -> None:
    """An empty week has its days, no queues, and no share: no data is not zero."""
    measured = report(engine, *sla_report.week(MONDAY, CHICAGO))
    assert (measured.whole, measured.whole.share_of_due, measured.queues, len(measured.days)) == (
        counted(),
        None,
        {},
        7,
    )


@pytest.mark.parametrize(
    ("moment", "monday"),
    [
        (datetime(2026, 3, 2, 5, 59, tzinfo=UTC), date(2026, 2, 23)),
        (datetime(2026, 3, 2, 6, 0, tzinfo=UTC), date(2026, 3, 2)),
        (datetime(2026, 3, 9, 4, 59, tzinfo=UTC), date(2026, 3, 2)),
        (datetime(2026, 3, 9, 5, 0, tzinfo=UTC), date(2026, 3, 9)),
        (datetime(2026, 1, 1, 12, 0, tzinfo=UTC), date(2025, 12, 29)),
    ],
)
def test_the_week_is_the_offices(moment: datetime, monday: date) -> None:
    """A week goes from Monday to Monday by the office's clock, also when that is put forward in between."""
    since, until = sla_report.week(moment, CHICAGO)
    assert (since.date(), until.date()) == (monday, monday + timedelta(days=7))
    assert since <= moment < until


def test_the_counts_agree_with_a_model(engine: sa.Engine, record: Callable[..., None]) -> None:
    """Random jobs over a fortnight with a change of clocks: each cell is what counting by hand gives."""
    dice = random.Random(4)
    rows = [
        (
            dice.choice(["shop", "desk", "returns"]),
            dice.choice(["done", "done", "done", "failed", "cancelled"]),
            MONDAY.astimezone(UTC) + timedelta(seconds=dice.randrange(13 * 86400)),
            MONDAY.astimezone(UTC) + timedelta(seconds=dice.randrange(13 * 86400)),
        )
        for _ in range(600)
    ]
    record(*rows)
    measured = report(engine, MONDAY, MONDAY + timedelta(days=14))
    assert measured.whole == model(rows)
    assert measured.queues == {
        queue: model([row for row in rows if row[0] == queue]) for queue in ("desk", "returns", "shop")
    }
    for day, counts in measured.days.items():
        assert counts == model([row for row in rows if row[3].astimezone(CHICAGO).date() == day]), day


def model(rows: Sequence[tuple[str, str, datetime, datetime]]) -> SlaCounts:
    """What a report should say of ended jobs."""
    ended = [(status, (end - sla).total_seconds()) for _, status, sla, end in rows if status != "cancelled"]
    late = sorted(by for _, by in ended if by > 0)
    return counted(
        on_time=sum(status == "done" and by <= 0 for status, by in ended),
        late=sum(status == "done" and by > 0 for status, by in ended),
        failed=sum(status == "failed" for status, _ in ended),
        lateness=(pytest.approx(between(late, 0.5)), pytest.approx(between(late, 0.95))) if late else None,
    )


def between(values: Sequence[float], share: float) -> float:
    """The percentile by linear interpolation between the values next to it."""
    place = share * (len(values) - 1)
    low = int(place)
    return values[low] + (place - low) * (values[min(low + 1, len(values) - 1)] - values[low])


def test_the_days_of_a_queue(engine: sa.Engine, record: Callable[..., None]) -> None:
    """The series ends today, has counts for each day, and knows one queue from another."""
    moment = now(engine)
    today = moment.astimezone(CHICAGO).date()
    yesterday = moment - timedelta(days=1)
    record(
        ("shop", "done", yesterday, yesterday - MINUTE),
        ("desk", "done", yesterday, yesterday + MINUTE),
        ("shop", "waiting", yesterday, None),
    )
    with engine.connect() as connection:
        shop = sla_report.by_day(connection, "shop", 3, CHICAGO)
        every = sla_report.by_day(connection, None, 3, CHICAGO)
    days = [today - timedelta(days=ago) for ago in (2, 1, 0)]
    assert [(day, shop[day].share_of_due) for day in days] == list(zip(days, [None, 1.0, 0.0], strict=True))
    assert [every[day].share_of_due for day in days] == [None, 0.5, 0.0]


def test_lateness_by_buckets(engine: sa.Engine, record: Callable[..., None]) -> None:
    """Each late job lies in one bucket, its bound exclusive; what failed in time lies in none."""
    noon = MONDAY + timedelta(hours=12)
    seconds = [1, 59.9, 60, 300, 899, 3600, 86400, 900_000]
    record(
        *[("shop", "done", noon, noon + timedelta(seconds=by)) for by in seconds],
        ("shop", "failed", noon, noon - MINUTE),
        ("desk", "failed", noon, noon + MINUTE),
    )
    with engine.connect() as connection:
        measured = sla_report.lateness(connection, "shop", MONDAY, MONDAY + timedelta(days=30))
        every = sla_report.lateness(connection, None, MONDAY, MONDAY + timedelta(days=30))
    assert [(bucket.below, bucket.jobs) for bucket in measured] == [
        (60.0, 2), (300.0, 1), (900.0, 2), (3600.0, 0), (14400.0, 1), (86400.0, 0), (None, 2),
    ]  # fmt: skip
    assert sum(bucket.jobs for bucket in every) == len(seconds) + 1


def event_log(story: str, **details: Mapping[str, Any]) -> list[Event]:
    """An event log from minutes and facts, as `0 accepted; 5 dispatched`; a detail is given by its name."""
    status, events = Status.WAITING, []
    for line in story.split("; ") if story else []:
        minute, fact = line.split(" ", 1)
        status = status if fact == "accepted" else TRANSITIONS[status, Fact(fact)]
        events.append(Event(MONDAY + int(minute) * MINUTE, fact, status, 0, 1, None, details.get(fact)))
    return events


LATER = {"readyAt": (MONDAY + 25 * MINUTE).isoformat()}


@pytest.mark.parametrize(
    ("lines", "minutes"),
    [
        pytest.param(
            event_log("0 accepted; 30 dispatched; 32 claimed; 60 finished"),
            {"waited": 32, "ran long": 28},
            id="waited",
        ),
        pytest.param(
            event_log(
                "0 accepted; 1 dispatched; 2 claimed; 22 cancel asked; 30 advanced; 31 claimed; 60 finished"
            ),
            {"waited": 3, "ran long": 57},
            id="ran long",
        ),
        pytest.param(
            event_log("0 accepted; 1 dispatched; 2 claimed"), {"waited": 2, "ran long": 58}, id="still runs"
        ),
        pytest.param(
            event_log(
                "0 accepted; 0 dispatched; 1 claimed; 3 retrying; 14 dispatched; 15 claimed; 20 failed;"
                " 30 revived; 31 dispatched; 31 claimed; 60 finished",
                retrying={"error": "E", "retryAfter": 600},
            ),
            {"waited": 4, "retried": 27, "ran long": 29},
            id="retried: two attempts, ten minutes of back-off, ten until it was revived",
        ),
        pytest.param(
            event_log(
                "0 accepted; 1 dispatched; 3 lost; 4 dispatched; 5 claimed; 25 lost; 26 dispatched;"
                " 27 claimed; 60 poisoned"
            ),
            {"waited": 5, "lost worker": 55},
            id="lost worker: a message, a worker, and the last worker",
        ),
        pytest.param(
            event_log(
                "0 accepted; 1 dispatched; 2 recalled; 10 promoted; 40 dispatched; 41 claimed; 60 finished"
            ),
            {"waited": 3, "held": 38, "ran long": 19},
            id="held: paused",
        ),
        pytest.param(
            event_log(
                "0 accepted; 5 delayed; 7 moved; 28 dispatched; 29 claimed; 60 finished",
                delayed=LATER,
            ),
            {"waited": 9, "held": 20, "ran long": 31},
            id="held: delayed, and moved meanwhile",
        ),
        pytest.param(
            [
                *event_log("0 accepted; 5 delayed", delayed=LATER),
                *event_log("15 delayed; 20 dispatched; 20 claimed; 60 finished"),
            ],
            {"waited": 10, "held": 10, "ran long": 40},
            id="held: delayed, then let go",
        ),
        pytest.param(
            event_log(
                "0 accepted; 1 dispatched; 1 claimed; 5 awaiting; 20 signalled; 20 handed over;"
                " 22 dispatched; 22 claimed; 60 finished",
                awaiting=LATER,
            ),
            {"waited": 3, "held": 15, "ran long": 42},
            id="held: waiting for an event",
        ),
        pytest.param([], {"waited": 60}, id="no event log"),
    ],
)
def test_how_the_time_was_spent(lines: list[Event], minutes: Mapping[str, float]) -> None:
    """A whole hour from acceptance to the end is split by what it went into."""
    spent = misses.spent(lines, MONDAY, MONDAY + 60 * MINUTE)
    assert {cause.value: seconds / 60 for cause, seconds in spent.items() if seconds} == minutes


def test_time_before_the_start_that_was_asked_for_does_not_count() -> None:
    """A job that was accepted at night for the morning has waited since the morning."""
    lines = event_log("0 accepted; 500 dispatched; 510 claimed")
    spent = misses.spent(lines, MONDAY + 480 * MINUTE, MONDAY + 520 * MINUTE)
    assert (spent[Cause.WAITED], spent[Cause.RAN_LONG]) == (30 * 60, 10 * 60)


@st.composite
def lives(draw: st.DrawFn) -> tuple[list[Event], datetime]:
    """Any event log that the table of transitions allows, with the times of transactions, and its end."""
    status, at = Status.WAITING, MONDAY
    events = [Event(at, Fact.ACCEPTED, status, 0, 1, None, None)]
    for _ in range(draw(st.integers(0, 15))):
        facts = [fact for before, fact in TRANSITIONS if before == status]
        if not facts:
            break
        fact = draw(st.sampled_from(facts))
        status = TRANSITIONS[status, fact]
        at += timedelta(seconds=draw(st.floats(-5, 4000)))
        detail: Mapping[str, Any] | None = None
        if fact == Fact.RETRYING:
            detail = {"retryAfter": draw(st.none() | st.floats(0, 5000))}
        if fact in (Fact.DELAYED, Fact.AWAITING, Fact.SLEEPING):
            until = at + timedelta(seconds=draw(st.floats(-100, 5000)))
            detail = draw(st.sampled_from([{}, {"readyAt": until.isoformat()}]))
        events.append(Event(at, fact, status, 0, 1, None, detail))
    return events, at + timedelta(seconds=draw(st.floats(0, 4000)))


@given(lives(), st.integers(-100, 10_000))
def test_the_shares_add_up(life: tuple[list[Event], datetime], seconds: int) -> None:
    """Whatever happened to a job, no second of its time is missing, counted twice, or negative."""
    events, until = life
    since = min(MONDAY + timedelta(seconds=seconds), until)
    spent = misses.spent(events, since, until)
    assert sum(spent.values()) == pytest.approx((until - since).total_seconds(), abs=1e-5)
    assert min(spent.values()) >= 0
    facts = {event.fact for event in events}
    begun = {Fact.CLAIMED, Fact.RESERVED, Fact.SIGNALLED, Fact.TIMED_OUT, Fact.SPLIT, Fact.JOINED}
    assert spent[Cause.RAN_LONG] == 0 or facts & {*begun, Fact.PART_FAILED}
    assert spent[Cause.LOST_WORKER] == 0 or facts & {Fact.LOST, Fact.POISONED}
    assert spent[Cause.RETRIED] == 0 or facts & {Fact.RETRYING, Fact.FAILED}
    holds = {Fact.RECALLED, Fact.DELAYED, Fact.AWAITING, Fact.SLEEPING, Fact.HELD}
    assert spent[Cause.HELD] == 0 or facts & holds


def test_the_causes_of_real_misses(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """Five jobs that meet five fates in the ledger are listed, the latest first, each with its cause."""
    started = now(engine)
    numbers: dict[Cause, int] = {}
    for number, cause in enumerate(Cause, start=1):
        with engine.begin() as connection:
            # The one that is to wait has the least priority, so that the others are taken before it.
            job = accept.start_job(
                connection,
                shop,
                {"number": number},
                requested_by="test",
                sla_minutes=5 + number,
                priority=9 - 9 * (cause is Cause.WAITED),
            )
            numbers[cause] = job.job.id
    ran, retried, lost, held = (
        numbers[cause] for cause in (Cause.RAN_LONG, Cause.RETRIED, Cause.LOST_WORKER, Cause.HELD)
    )
    assert {taken.job for taken in ledger.take(raw, "shop", 4)} == {ran, retried, lost, held}
    for job in (ran, retried, lost):
        assert ledger.claim(raw, [(Ticket(job, 1, "pick"), 7200)], "w")
    error = {"type": "ValueError", "message": "no", "traceback": ""}
    assert ledger.fail(raw, Ticket(retried, 1, "pick"), error, retry_after=3000, worker="w") == "waiting"
    with engine.begin() as connection:
        commands.delay(connection, [held], started + timedelta(minutes=50), who="boss", reason="roster")
    forward(timedelta(minutes=60))
    report = Completion(Ticket(ran, 1, "pick"), '"ok"', None, None, None, None, False)
    assert ledger.complete(raw, [report], "w")
    assert losses.lose(raw, [Ticket(lost, 1, "pick")], "test")

    with engine.connect() as connection:
        worst = misses.worst(connection, started, started + timedelta(days=1))
        fewer = misses.worst(connection, started, started + timedelta(days=1), queue="shop", limit=2)
        elsewhere = misses.worst(connection, started, started + timedelta(days=1), queue="returns")
    assert [(miss.job, miss.cause) for miss in worst] == [
        (job_name(job), cause) for cause, job in numbers.items()
    ]
    assert [miss.status for miss in worst].count("done") == 1
    for miss, minutes in zip(worst, range(6, 11), strict=True):
        assert miss.late_seconds == pytest.approx((60 - minutes) * 60, abs=30)
        assert sum(miss.spent.values()) == pytest.approx(3600, abs=30)
    assert list(fewer) == list(worst[:2])
    assert elsewhere == []


def test_what_failed_in_time_comes_last(engine: sa.Engine, record: Callable[..., None]) -> None:
    """A job that failed before its deadline is a miss of no lateness."""
    noon = MONDAY + timedelta(hours=12)
    record(
        ("shop", "failed", noon, noon - MINUTE),
        ("shop", "done", noon, noon + 2 * MINUTE),
        ("shop", "failed", noon, noon + 3 * MINUTE),
        ("shop", "cancelled", noon, noon + 4 * MINUTE),
        ("shop", "done", noon, noon),
    )
    with engine.connect() as connection:
        worst = misses.worst(connection, MONDAY, MONDAY + timedelta(days=1))
    assert [(miss.status, miss.late_seconds) for miss in worst] == [
        ("failed", 180.0), ("done", 120.0), ("failed", 0.0),
    ]  # fmt: skip
    assert all(later.late_seconds <= earlier.late_seconds for earlier, later in pairwise(worst))


@pytest.mark.parametrize("name", ["sla_report", "sla_report_lateness", "sla_misses"])
def test_plan(engine: sa.Engine, shop: Recipe, name: str) -> None:
    """Among jobs of other weeks and a long backlog only the rows of the span are read, by their indexes."""
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into oms.jobs (type, recipe_id, steps, queue, status, sla, sla_minutes, payload,"
                " requested_by, finished_at)"
                " select 'shop:order:v1', 1, '{pick,pack,send}', 'shop',"
                " case when n > 5000 then 'done' else 'waiting' end, oms.now() + interval '1 hour', 30, '{}',"
                " 'test', case when n > 5000 then oms.now() - n * interval '5 minutes' end"
                " from generate_series(1, 25000) as n"
            )
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze oms.jobs")
        moment = health.clock(connection)
        since = moment - timedelta(days=30)
        parameters = {
            "since": since,
            "until": moment + MINUTE,
            "queue": None,
            "midnights": [since],
            "bounds": list(sla_report.BOUNDS),
            "worst": 20,
        }
        explained = connection.exec_driver_sql(
            "explain (analyze, format json) " + sla_report.statement(name), parameters
        ).scalar_one()
    nodes, stack = [], [explained[0]["Plan"]]
    while stack:
        nodes.append(stack.pop())
        stack += nodes[-1].get("Plans", [])
    # Where rows lie in another order than their ends, the planner rightly reads an index as a bitmap.
    indexes = {node["Index Name"] for node in nodes if node.get("Index Name", "").startswith("jobs_")}
    assert indexes in (
        {"jobs_ended", "jobs_open_deadlines"},
        {"jobs_missed_deadlines", "jobs_open_deadlines"},
    ), nodes
    reads = [node for node in nodes if node.get("Relation Name") == "jobs"]
    assert all(node["Node Type"] != "Seq Scan" for node in reads), nodes
    assert sum(node["Actual Rows"] * node["Actual Loops"] for node in reads) < 4000, nodes
