"""What one look sees, by events and by the ledger, against what the ledger says when it is asked slowly."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from statistics import fmean
from zoneinfo import ZoneInfo

import psycopg2.extensions
import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_oms.database import connections as database
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, completions, ledger, losses, reservations, workers
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.records import Completion
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe
from hms_ops.events import event_log
from hms_ops.events.receiver import Receiver
from hms_ops.forecast.snapshot import QueueSnapshot, Snapshot
from hms_ops.metrics import counts, deadlines
from hms_ops.metrics.measure import Measure
from hms_ops.reports import sla_report
from tests.conftest import Programs, wait_until
from tests.support.worker_events import event, listening, tell

MINUTE = timedelta(minutes=1)
TRUTH = """
select
    extract(epoch from min(line.at) filter (where line.fact = 'claimed') - job.created_at)::float8 as waited
from oms.jobs as job join oms.job_events as line on line.job_id = job.id
group by job.id having bool_or(line.fact = 'claimed')
"""


def look(engine: sa.Engine, measuring: Measure, *, heavy: bool = True) -> Snapshot:
    """One look in a transaction of its own."""
    with engine.begin() as connection:
        return measuring.look(connection, heavy)


def seen(engine: sa.Engine, measuring: Measure, name: str = "shop", *, heavy: bool = True) -> QueueSnapshot:
    """One queue in one look."""
    return next(queue for queue in look(engine, measuring, heavy=heavy).queues if queue.name == name)


def settled(engine: sa.Engine, measuring: Measure, name: str = "shop") -> QueueSnapshot:
    """One queue, once the sweep has read all that there is."""
    # Lines are read when nobody writes any more: other sessions of the server may be about to.
    wait_until(lambda: seen(engine, measuring, name).waits, "the sweep to catch up")
    look(engine, measuring)
    return seen(engine, measuring, name)


def accept_orders(engine: sa.Engine, shop: Recipe, count: int, **options: object) -> list[int]:
    """Accept so many orders in one transaction."""
    with engine.begin() as connection:
        payloads = [{"number": number + 1} for number in range(count)]
        accepted = accept.accept_many(connection, shop, payloads, requested_by="test", **options)  # type: ignore[arg-type]
    return list(accepted.jobs)


def run_step(raw: RawConnection, job: int, step: int = 0) -> None:
    """Claim a step and complete it."""
    names = ("pick", "pack", "send")
    ticket = Ticket(job, 1, names[step])
    assert ledger.claim(raw, [(ticket, 60.0)], "w")
    following = None if step == 2 else step + 1
    report = Completion(ticket, "1", None, following, None if following is None else "shop", False)
    assert ledger.complete(raw, [report], "w")


@pytest.fixture
def receiver(broker: str) -> Iterator[Receiver]:
    """A receiver that is listening."""
    with listening(broker) as receiver:
        yield receiver


def test_waits_are_those_of_the_ledger_by_events_and_by_sweep(
    programs: Programs, engine: sa.Engine, shop: Recipe, receiver: Receiver
) -> None:
    """Real workers: one who hears them and one who does not see the same, and each says what it lives on."""
    hearing, deaf = Measure(engine, receiver), Measure(engine, None)
    for item in (hearing, deaf):
        settled(engine, item)
    accept_orders(engine, shop, 20)
    programs.dispatcher()
    programs.worker(pool="threads", slots=4)

    def all_seen() -> bool:
        rows = [seen(engine, item).finished for item in (hearing, deaf)]
        return rows == [60, 60]

    wait_until(all_seen, "60 steps to be seen by both", 40)
    wait_until(lambda: seen(engine, hearing).waits.source == "events", "the sweep to find nothing unheard")  # type: ignore[union-attr]
    with engine.connect() as connection:
        truth = [row.waited for row in connection.execute(sa.text(TRUTH))]
    for item, source in ((hearing, "events"), (deaf, "ledger")):
        queue = seen(engine, item)
        assert queue.waits is not None
        assert (queue.waits.begun, queue.waits.source) == (20, source)
        assert queue.waits.mean == pytest.approx(fmean(truth), abs=1e-4)
        assert queue.waits.p99 == pytest.approx(max(truth), rel=0.011)
        assert (queue.failed, queue.left, queue.waiting, queue.open) == (0, 20, 0, 0)
        assert [(step.name, step.ended) for step in queue.steps] == [("pack", 20), ("pick", 20), ("send", 20)]
        assert queue.last_finished is not None
    snapshot = look(engine, hearing)
    assert snapshot.events_at is not None
    assert snapshot.hearing is not None
    assert (snapshot.hearing.dropped, snapshot.hearing.malformed) == (0, 0)
    assert [(host.workers, host.rss_bytes > 0) for host in snapshot.hosts] == [(1, True)]
    assert look(engine, deaf).hearing is None


def test_doubled_forged_and_disordered_events_count_nothing_twice(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, broker: str, receiver: Receiver
) -> None:
    """Ends before beginnings, each thrice, with clocks of other worlds and for jobs that do not exist."""
    measuring = Measure(engine, receiver)
    settled(engine, measuring)
    [job] = accept_orders(engine, shop, 1)
    ledger.take(raw, "shop", 1)
    run_step(raw, job)
    said = [
        event("task-succeeded", f"job-{job}.1.pick", timestamp=0.0, utcoffset=9),
        event("task-started", f"job-{job}.1.pick", timestamp=9e9),
        event("task-failed", f"job-{job}.1.pick"),
        event("task-started", f"job-{job + 1}.1.pick"),
        event("task-started", "5f3c6f2e-not-a-ticket"),
    ]
    tell(broker, said, said, said)
    wait_until(lambda: seen(engine, measuring, heavy=False).finished, "the step to be heard")
    tell(broker, said)
    wait_until(lambda: look(engine, measuring).hearing.events, "the events to be heard again")  # type: ignore[union-attr]
    wait_until(lambda: look(engine, measuring) and not measuring._event_log._ahead, "the sweep to pass by")
    queue = seen(engine, measuring)
    assert queue.waits is not None
    assert (queue.waits.begun, queue.finished, queue.failed) == (1, 1, 0)
    assert queue.waits.source == "events"


def test_a_light_look_hears_what_no_sweep_has_found(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, broker: str, receiver: Receiver
) -> None:
    """A step that is heard before its claim can be seen is looked up again, and told how late."""
    measuring = Measure(engine, receiver)
    settled(engine, measuring)
    [job] = accept_orders(engine, shop, 1)
    tell(broker, event("task-started", f"job-{job}.1.pick"))
    wait_until(lambda: look(engine, measuring, heavy=False).events_at, "the event to be heard")
    ledger.take(raw, "shop", 1)
    assert ledger.claim(raw, [(Ticket(job, 1, "pick"), 60.0)], "w")
    snapshot = look(engine, measuring, heavy=False)
    assert snapshot.queues[0].waits is not None
    assert snapshot.queues[0].waits.begun == 1
    assert snapshot.hearing is not None
    assert snapshot.hearing.lag is not None
    assert 0 <= snapshot.hearing.lag < 20


def test_a_line_of_a_long_transaction_is_not_passed_over(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, database: str
) -> None:
    """A claim gets its number, others are committed behind it, and the sweep still finds it once it is."""
    measuring = Measure(engine, None)
    settled(engine, measuring)
    first, second = accept_orders(engine, shop, 2)
    ledger.take(raw, "shop", 2)
    slow = database_connections(database)
    assert ledger.claim(slow, [(Ticket(first, 1, "pick"), 60.0)], "w")
    assert ledger.claim(raw, [(Ticket(second, 1, "pick"), 60.0)], "w")
    for _ in range(3):
        look(engine, measuring)
    slow.commit()
    wait_until(lambda: seen(engine, measuring).waits.begun == 2, "both claims to be found")  # type: ignore[union-attr]
    slow.close()


def database_connections(url: str) -> psycopg2.extensions.connection:
    """A connection whose transactions last until they are committed."""
    return database.connect(url, "slow", autocommit=False)


def test_a_stuck_queue_shows(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """Nobody begins anything: the mean wait is the age of those that wait, those in the window included."""
    accept_orders(engine, shop, 10)
    ledger.take(raw, "shop", 4)
    forward(10 * MINUTE)
    queue = settled(engine, Measure(engine, None))
    assert queue.waits is not None
    assert queue.waits.begun == 0
    assert queue.waits.mean == pytest.approx(600, abs=30)
    assert queue.waits.p50 == pytest.approx(600, abs=30)
    assert (queue.waiting, queue.queued) == (6, 4)
    assert queue.oldest_waiting is not None
    assert queue.oldest_queued is not None


def test_waits_slide_out_of_the_window(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """What was begun six minutes ago does not count any more, and no data is not zero."""
    [job] = accept_orders(engine, shop, 1)
    ledger.take(raw, "shop", 1)
    run_step(raw, job)
    measuring = Measure(engine, None)
    assert settled(engine, measuring).finished == 1
    forward(6 * MINUTE)
    queue = seen(engine, measuring)
    assert queue.waits is not None
    assert (queue.waits.begun, queue.waits.mean, queue.waits.p95) == (0, None, None)
    assert queue.finished == 0
    assert [(step.ended, step.mean) for step in queue.steps] == [(0, None)]


def test_late_jobs_show_at_every_look(
    engine: sa.Engine, shop: Recipe, forward: Callable[[timedelta], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deadlines that pass are seen without counting all jobs; beyond a limit the count says how many."""
    accept_orders(engine, shop, 5, sla_minutes=30)
    measuring = Measure(engine, None)
    before = seen(engine, measuring)
    assert (before.late, before.late_since, before.waiting) == (0, None, 5)
    assert before.next_sla is not None
    forward(31 * MINUTE)
    light = seen(engine, measuring, heavy=False)
    assert (light.late, light.late_since) == (5, before.next_sla)
    monkeypatch.setattr(deadlines, "MOST_LATE", 2)
    assert seen(engine, measuring, heavy=False).late == 2
    assert seen(engine, measuring).late == 5


def test_lengths_are_carried_on_between_counts(engine: sa.Engine, shop: Recipe) -> None:
    """A light look tells the lengths of the last heavy one, and when that was."""
    accept_orders(engine, shop, 2)
    measuring = Measure(engine, None)
    first = look(engine, measuring)
    with engine.begin() as connection:
        commands.delay(connection, [1], first.now + MINUTE, who="test", reason=None)
    light = look(engine, measuring, heavy=False)
    assert (light.counted_at, light.queues[0].waiting) == (first.now, 2)
    assert light.looked_before == first.now
    heavy = look(engine, measuring)
    assert (heavy.counted_at, heavy.queues[0].waiting, heavy.queues[0].delayed) == (heavy.now, 1, 1)


def test_an_agents_reservation_counts_like_a_claim(
    engine: sa.Engine, raw: RawConnection, returns: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """A reservation is in no event: the sweep finds it, with the wait since the hand-over."""
    [job] = accept_orders(engine, returns, 1)
    ledger.take(raw, "returns", 1)
    ticket = Ticket(job, 1, "receive")
    assert ledger.claim(raw, [(ticket, 60.0)], "w")
    done = completions.of(ticket, returns, Done({}), by_agent=False)
    assert ledger.complete(raw, [done], "w")
    forward(MINUTE)
    assert reservations.reserve(raw, "returns-desk", agent="clerk") is not None
    measuring = Measure(engine, None)
    desk = settled(engine, measuring, "returns-desk")
    assert desk.agent_only
    assert desk.waits is not None
    assert (desk.waits.begun, desk.waits.source) == (1, "ledger")
    assert desk.waits.mean == pytest.approx(60, abs=10)
    before = seen(engine, measuring, "returns")
    assert (before.finished, before.left, before.agent_only) == (1, 1, False)


def test_failures_and_losses_count_against_success(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """A step that fails and one whose worker is lost are failed steps; one asked for later is not."""
    jobs = accept_orders(engine, shop, 3)
    ledger.take(raw, "shop", 3)
    for job, kind in zip(jobs, ("ValueError", "Retry", None), strict=True):
        ticket = Ticket(job, 1, "pick")
        ledger.claim(raw, [(ticket, 60.0)], "w")
        if kind is None:
            losses.lose(raw, [ticket], "gone")
        else:
            ledger.fail(raw, ticket, {"type": kind}, retry_after=5.0, worker="w")
    queue = settled(engine, Measure(engine, None))
    assert (queue.finished, queue.failed, queue.left) == (0, 2, 0)


def test_the_day_so_far(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Of the jobs that ended today those that met their deadline are counted, without the cancelled ones."""
    jobs = accept_orders(engine, shop, 3)
    with engine.begin() as connection:
        commands.cancel(connection, jobs[:1], who="test", reason=None)
    ledger.take(raw, "shop", 2)
    for step in range(3):
        run_step(raw, jobs[1], step)
    ledger.claim(raw, [(Ticket(jobs[2], 1, "pick"), 60.0)], "w")
    ledger.fail(raw, Ticket(jobs[2], 1, "pick"), {"type": "E"}, retry_after=None, worker="w")
    queue = seen(engine, Measure(engine, None))
    assert (queue.ended_today, queue.on_time_today) == (2, 1)


@pytest.mark.parametrize(
    ("now", "first", "hours"),
    [
        ("2026-11-01T23:30:00-06:00", "2026-11-01T00:00:00-05:00", 25),
        ("2027-03-14T23:30:00-05:00", "2027-03-14T00:00:00-06:00", 23),
        ("2026-11-28T05:00:00-06:00", "2026-11-28T00:00:00-06:00", 24),
    ],
)
def test_today_is_the_offices_day(engine: sa.Engine, shop: Recipe, now: str, first: str, hours: int) -> None:
    """From its midnight on, which is not that of UTC, on days of 23 and 25 hours, too."""
    begins, moment = datetime.fromisoformat(first), datetime.fromisoformat(now)
    ends = begins.astimezone(UTC) + timedelta(hours=hours)
    accept_orders(engine, shop, 3)
    chicago = ZoneInfo("America/Chicago")
    with engine.begin() as connection:
        for job, end in enumerate(
            (begins - timedelta(seconds=1), begins, ends - timedelta(seconds=1)), start=1
        ):
            connection.execute(
                sa.text(
                    "update oms.jobs set status = 'done', finished_at = :end, sla = :end where id = :job"
                ),
                {"end": end, "job": job},
            )
        assert counts._days(connection, moment, chicago)["shop"].deadlines.on_time == 2
        by_day = sla_report.report(connection, begins - timedelta(days=1), ends, chicago).days
        assert [day.on_time for day in by_day.values()] == [1, 2]


def test_the_throughput_of_the_workers_makes_a_forecast(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """One live slot, two jobs a minute, ten open: the last is done in five minutes; two are too few to trust.

    Two more slots are lost.
    """
    jobs = accept_orders(engine, shop, 12)
    measuring = Measure(engine, None)

    def beat() -> None:
        said = workers.Beat("w/1", "w", "h", 1, "threads", 3, ["shop"], [], [], 7.0, 4096, slots_lost=2)
        workers.beat(raw, said)

    settled(engine, measuring)
    assert seen(engine, measuring).slots_to_have == 1  # an autoscaler has to begin with something
    beat()
    settled(engine, measuring)
    assert seen(engine, measuring).forecast is None
    ledger.take(raw, "shop", 2)
    forward(MINUTE)
    for job in jobs[:2]:
        for step in range(3):
            run_step(raw, job, step)
    beat()
    queue = wait_until(lambda: (result := seen(engine, measuring)).forecast and result, "a forecast")
    assert (queue.slots, queue.slots_lost) == (1, 2)
    assert queue.rate == pytest.approx(2 / 60, rel=0.3)
    done_in = queue.forecast.done_at - look(engine, measuring).now
    assert done_in.total_seconds() == pytest.approx(300, rel=0.3)
    assert (queue.forecast.late, queue.forecast.trusted) == (0, False)
    assert queue.at_risk is None


def test_an_empty_floor_has_no_data(engine: sa.Engine, shop: Recipe) -> None:
    """Nothing accepted, nobody there: lengths are zero, everything else is None or empty."""
    measuring = Measure(engine, None)
    queue = settled(engine, measuring)
    assert (queue.open, queue.late, queue.next_sla, queue.oldest_waiting) == (0, 0, None, None)
    assert queue.waits is not None
    assert (queue.waits.mean, queue.waits.p50, queue.rate, queue.forecast) == (None, None, None, None)
    assert queue.slots_to_have == 0
    snapshot = look(engine, measuring)
    assert (snapshot.hosts, snapshot.workers, snapshot.events_at, snapshot.unsent_since) == (
        [],
        0,
        None,
        None,
    )


def write(engine: sa.Engine, token: str, *, page: bool, **more: object) -> None:
    """Write a text into the outbox as it would stand there, written five minutes ago."""
    row = {"state": "pending", "tries": 0, "due": -300, "lease": None, **more}
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into oms.messages (token, page, kind, recipient, body, state, tries, lease_until,"
                " created_at, not_before, due_at)"
                " select :token, :page, 'page', '+12025550142', 'text', :state, :tries,"
                " oms.now() + make_interval(secs => cast(:lease as float8)), written.at, written.at,"
                " oms.now() + make_interval(secs => :due)"
                " from (select oms.now() - interval '5 minutes' as at) as written"
            ),
            {"token": token, "page": page, **row},
        )


def unsent(engine: sa.Engine) -> tuple[int, float | None]:
    """How many texts do not leave the outbox, and for how long the oldest has not: seconds, in thirties."""
    snapshot = look(engine, Measure(engine, None))
    if snapshot.unsent_since is None:
        return snapshot.unsent, None
    # On a busy machine seconds pass between two lines of a test.
    return snapshot.unsent, ((snapshot.now - snapshot.unsent_since).total_seconds() + 1) // 30 * 30


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ({"page": True}, (1, 300)),
        ({"page": True, "due": 600}, (0, None)),
        ({"page": True, "due": 10, "tries": 2}, (1, 300)),
        ({"page": True, "state": "sending", "lease": 30}, (1, 300)),
        ({"page": True, "state": "unknown"}, (1, 300)),
        ({"page": True, "state": "accepted"}, (0, None)),
        ({"page": False}, (1, 300)),
    ],
    ids=["due", "throttled", "failing", "being sent", "unknown", "gone", "applicant"],
)
def test_what_stands_in_the_outbox(
    engine: sa.Engine, shop: Recipe, text: dict[str, object], expected: tuple[int, float | None]
) -> None:
    """A text stands since it might have gone; one that its phone's throttle holds back may not go yet."""
    write(engine, "one", **text)  # type: ignore[arg-type]
    assert unsent(engine) == expected


def test_texts_to_applicants_stand_only_when_none_of_them_goes(
    engine: sa.Engine, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """At their own rate a morning's texts take minutes: while some go, the others wait for their turn."""
    for token in ("sent", "waits"):
        write(engine, token, page=False)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into oms.message_attempts (message_id, number, sender, outcome)"
            " select id, 1, 'twilio', 'accepted' from oms.messages where token = 'sent'"
        )
        connection.exec_driver_sql("update oms.messages set state = 'accepted' where token = 'sent'")
    assert unsent(engine) == (1, 0)
    forward(timedelta(seconds=150))
    assert unsent(engine) == (1, 150)
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.message_attempts set outcome = 'not sent'")
    assert unsent(engine) == (1, 450)


def test_when_work_can_be_done_again(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """What a new watch finds able was so for who knows how long; the end of a pause is seen and noted."""
    accept_orders(engine, shop, 3)
    workers.beat(raw, workers.Beat("w/1", "w", "h", 1, "solo", 1, ["shop"], [], [], 7.0, 4096))
    measuring = Measure(engine, None)
    assert (seen(engine, measuring).able, seen(engine, measuring).able_since) == (True, None)
    with engine.begin() as connection:
        commands.pause(connection, "shop", who="test", reason=None)
    assert not seen(engine, measuring).able
    with engine.begin() as connection:
        commands.resume(connection, "shop")
    resumed = look(engine, measuring)
    [queue] = [item for item in resumed.queues if item.name == "shop"]
    assert (queue.able, queue.able_since) == (True, resumed.now)
    assert seen(engine, measuring).able_since == resumed.now


def test_too_much_to_look_up_is_left_to_the_sweep(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every bound at its smallest the sweep goes on bite by bite, and each line is counted once."""
    for bound in ("PAGE", "MOST_JOBS", "MOST_AHEAD"):
        monkeypatch.setattr(event_log, bound, 2)
    monkeypatch.setattr(event_log, "MOST_SWEPT", 3)
    following = event_log.EventLog(0.0)
    jobs = accept_orders(engine, shop, 9)
    ledger.take(raw, "shop", 9)
    for job in jobs:
        run_step(raw, job)
    lines: list[int] = []

    def all_found() -> bool:
        with engine.begin() as connection:
            now: datetime = connection.execute(sa.text("select oms.now()")).scalar_one()
            tickets = [f"job-{job}.1.pick" for job in jobs]
            result = following.follow(connection, tickets, now.timestamp())
            result += following.sweep(connection, now.timestamp()).steps
        lines.extend(step.line for step in result)
        return following.caught_up and not following.behind

    wait_until(all_found, "the sweep to catch up")
    assert len(lines) == len(set(lines)) == 18
    assert following.dropped > 0


def test_how_works_vary_is_known_by_their_estimates(engine: sa.Engine, shop: Recipe) -> None:
    """Of works of which nine of ten stay below twice their mean; nobody knows before one is measured."""
    accept_orders(engine, shop, 5)
    with engine.begin() as connection:
        now = connection.scalar(sa.text("select oms.now()"))
        assert counts.standings(connection, now)["shop"].variation is None
        connection.execute(
            sa.text(
                "insert into oms.work_estimates (cell, type, step, works, mean, upper)"
                " select distinct cell, type, step, 8, 30, 60 from oms.jobs"
            )
        )
        variation = counts.standings(connection, now)["shop"].variation
    assert variation == pytest.approx((1 / 1.2815515655446) ** 2)
