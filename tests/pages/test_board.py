"""The board and what charts are drawn from, read from a real ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from hms_floor.pages.incidents import oncall
from hms_floor.pages.live import capacity
from hms_floor.pages.parts.charts import charts, history
from hms_floor.presentation import overview, text_counts
from hms_floor.presentation.overview import Card
from hms_floor.presentation.past import points as past
from hms_floor.presentation.past import recent
from hms_floor.presentation.past.points import Point
from hms_oms.messages import outbox
from hms_oms.recipes.recipes import Recipe
from hms_ops import heartbeats
from hms_ops.forecast.snapshot import Forecast, QueueSnapshot, Snapshot, Waits
from hms_ops.metrics import history as samples
from hms_ops.metrics import metrics, moments
from hms_ops.metrics.moments import Moment

Forward = Callable[[timedelta], None]


def seen(now: datetime) -> Snapshot:
    """What the watch has seen of a queue that will be late."""
    waits = Waits(61.5, 50.0, 90.0, 99.0, 12, "events")
    ahead = Forecast(7, now + timedelta(seconds=60), None, now + timedelta(seconds=300), 0.5, 24)
    queue = QueueSnapshot(
        "shop", 30.0, waiting=40, delayed=2, queued=3, running=5, late=1, at_risk=7, waits=waits
    )
    fields = {name: getattr(queue, name) for name in queue.__slots__}
    return Snapshot(now, [QueueSnapshot(**{**fields, "forecast": ahead, "left": 60})], counted_at=now)


def clock(engine: sa.Engine) -> datetime:
    """The ledger's time."""
    with engine.connect() as connection:
        value: datetime = connection.execute(sa.text("select oms.now()")).scalar_one()
        return value


def test_a_card_has_what_the_watch_has_measured(engine: sa.Engine, shop: Recipe, forward: Forward) -> None:
    """With its forecast as moments; what is stale is no data, and the light says so."""
    now = clock(engine)
    with engine.begin() as connection:
        metrics.publish(connection, seen(now))
        heartbeats.beat(connection, "ops", {})
    with engine.connect() as connection:
        overview_now = overview.read(connection)
    [card] = [card for card in overview_now.cards if card.name == shop.steps[0].queue]
    assert (card.open, card.running, card.late, card.at_risk) == (50, 5, 1, 7)
    assert (card.wait_mean, card.slots_needed, card.light) == (61.5, 24, "broken")
    assert card.done_at == now + timedelta(seconds=300)
    assert card.late_from == now + timedelta(seconds=60)
    assert not overview_now.blind
    forward(timedelta(seconds=60))
    with engine.connect() as connection:
        later = overview.read(connection)
    [card] = [card for card in later.cards if card.name == "shop"]
    assert (card.light, card.wait_mean, later.blind) == ("unknown", None, True)


def test_the_last_deadline_is_that_of_an_open_job(engine: sa.Engine, shop: Recipe) -> None:
    """And how many are due by when comes from the open jobs alone."""
    with engine.begin() as connection:
        connection.exec_driver_sql(JOBS)
    with engine.connect() as connection:
        [card] = [card for card in overview.read(connection).cards if card.name == "shop"]
        due = capacity.due(connection, "shop", 3)
    assert card.last_due == datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
    assert [jobs for _, jobs in due] == [1, 2, 3]
    assert due[-1][0] == card.last_due


JOBS = """
insert into oms.jobs
    (type, recipe_id, steps, queue, payload, sla, sla_minutes, requested_by, status, finished_at)
select 'shop:order:v1', id, '{pick,pack}', 'shop', '{}',
    timestamptz '2026-11-23T12:00Z' + n * interval '10 minutes',
    30, 'ann', case when n < 4 then 'waiting' else 'done' end, case when n < 4 then null else oms.now() end
from oms.recipes, generate_series(1, 5) as n
where type = 'shop:order:v1'
"""


def test_the_past_of_a_queue_comes_from_its_samples(
    engine: sa.Engine, shop: Recipe, forward: Forward
) -> None:
    """Lengths are added up over the states, and a step without data is a gap in the line."""
    began = clock(engine)
    for _ in range(3):
        now = clock(engine)
        with engine.begin() as connection:
            metrics.publish(connection, seen(now))
            samples.keep(connection, now)
        forward(timedelta(minutes=1))
    forward(timedelta(minutes=10))
    with engine.begin() as connection:
        now = clock(engine)
        metrics.publish(connection, seen(now))
        samples.keep(connection, now)
        since = began - timedelta(minutes=1)
        points = past.points(connection, "shop", since, now + timedelta(minutes=1), 60)
    assert [(point.open, point.wait, point.late) for point in points] == [(50.0, 61.5, 1.0)] * 4
    line = history.line(points, lambda point: point.open, 150.0)
    assert [value for _, value in line] == [50.0, 50.0, 50.0, None, 50.0]


def test_a_burst_keeps_its_shape() -> None:
    """Twenty jobs in five seconds are four a second then, none before or after; a new watch is a gap."""
    now = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    idle = past.of(Card("a", done=7, counted_at=now), now)
    assert past.of(Card("a", done=7, counted_at=now), now + timedelta(seconds=5), idle).rate == 0.0
    before, rates = None, []
    for number, done in enumerate((7, 7, 27, 27, 0)):
        at = now + timedelta(seconds=5 * number)
        before = past.of(Card("a", rate=1.0, done=done, counted_at=at), at, before)
        rates.append(before.rate)
    assert rates == [None, 0.0, 4.0, 0.0, None]


def test_a_day_shows_its_peaks(engine: sa.Engine, shop: Recipe, forward: Forward) -> None:
    """The least and the most of a step are those of its minutes, of the sum over all states."""
    began = clock(engine)
    for left in (0, 240, 0):
        now = clock(engine)
        queue = replace(seen(now).queues[0], waiting=left, left_last_minute=left)
        with engine.begin() as connection:
            metrics.publish(connection, Snapshot(now, [queue], counted_at=now))
            samples.keep(connection, now)
        forward(timedelta(minutes=1))
    with engine.connect() as connection:
        since = began - timedelta(minutes=1)
        points = past.points(connection, "shop", since, clock(engine), 864000)
    [point] = points
    assert (point.open, point.open_least, point.open_most) == (90.0, 10.0, 250.0)
    assert (point.rate, point.rate_least, point.rate_most) == (80 / 60, 0.0, 4.0)


def test_a_burst_after_an_idle_time_goes_straight_up() -> None:
    """No slope from the last idle sample to the first jobs, of open jobs or of those done; waits are kept."""
    start = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    at = start.timestamp()
    minutes = [
        Point(at, open=0.0, wait=2.0, rate=0.5),
        Point(at + 60, open=0.0, wait=2.0),
        Point(at + 120, open=400.0, wait=9.0, running=8.0, rate=0.1),
        Point(at + 180, open=0.0, wait=9.0, rate=6.0),
    ]
    fine = [
        Moment(start + timedelta(seconds=second), number, 0, 1000 - number)
        for second, number in ((100, 400), (105, 390), (125, 380), (130, 0))
    ]
    points = recent.merged(minutes, fine)
    assert [(point.at - at, point.open) for point in points] == [
        *((0, 0), (60, 0), (95, 0), (100, 400), (105, 390)),
        *((120, None), (125, 380), (130, 0), (180, 0)),
    ]
    assert [point.rate for point in points] == [0.0, 0.0, 0.0, None, 2.0, None, 0.5, 76.0, 0.0]
    assert [point.wait for point in points] == [2.0, 2.0, 2.0, 2.0, 2.0, None, 9.0, 9.0, 9.0]
    assert points[-2].done == 1000


def test_what_stands_for_a_step_of_time_holds_for_all_of_it() -> None:
    """Of a day the last ten minutes before a gap are drawn to their end, and so are the last of all."""
    points = [Point(0.0, open=0.0), Point(600.0, open=400.0), Point(6000.0, open=0.0)]
    assert history.line(points, lambda point: point.open, 1500.0, lasts=600.0) == [
        *((0.0, 0.0), (600_000.0, 400.0), (1_200_000.0, 400.0), (1_350_000.0, None)),
        *((6_000_000.0, 0.0), (6_600_000.0, 0.0)),
    ]


def test_a_day_has_the_burst_between_two_samples(engine: sa.Engine, shop: Recipe) -> None:
    """The most of ten minutes is that of every moment in them."""
    now = clock(engine)
    with engine.begin() as connection:
        metrics.publish(connection, seen(now))
        samples.keep(connection, now)
        busy = replace(seen(now).queues[0], waiting=1400)
        moments.keep(connection, Snapshot(now, [busy], counted_at=now), ())
        points = past.points(connection, "shop", now - timedelta(hours=1), now + timedelta(hours=1), 600)
    assert [(point.open, point.open_most) for point in points] == [(50.0, 1410.0)]


@pytest.mark.parametrize(
    ("most", "end", "step"),
    [(0.7, 1, 1), (47, 60, 15), (163, 180, 60), (4000, 5400, 1800), (90000, 129600, 43200)],
)
def test_an_axis_of_times_has_whole_steps(most: float, end: float, step: float) -> None:
    """Minutes and hours as people divide them, and no more than four of them."""
    assert charts.spans_axis([[(0.0, None), (1.0, most)]]) == {"max": end, "interval": step}
    assert charts.spans_axis([[], [(0.0, None)]]) == {}


def test_a_chart_without_a_point_says_so() -> None:
    """An empty frame looks broken; a line at nought is a line."""
    for empty in ({}, {"done": []}, {"done": [(0.0, None)]}):
        assert charts.nothing(empty)["title"]["text"] == "nothing to show yet"
    assert charts.nothing({"due": [], "done": [(0.0, 0.0)]})["title"]["text"] == ""


def test_a_step_that_reaches_nobody_says_so() -> None:
    """The page of who is on call has no empty cell."""
    now = [{"afterMinutes": 0.0, "recipients": []}, {"afterMinutes": 10.0, "recipients": ["ada", "bo"]}]
    assert oncall.steps(now) == [("at once", "nobody: no shift covers this hour"), ("10 min", "ada, bo")]


def test_capacity_is_drawn_as_far_as_the_demand() -> None:
    """The demand goes up at each deadline, what is done in a line to the last job."""
    now = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
    due = [(now - timedelta(minutes=1), 5), (now + timedelta(minutes=10), 20)]
    needed, done = capacity.lines(due, Card("a", backlog=20, done_at=now + timedelta(minutes=5)), now)
    start, end = 1000 * now.timestamp(), 1000 * due[1][0].timestamp()
    assert list(needed) == [(start, 5.0), (end, 20.0), (end, 20.0)]
    assert list(done) == [(start, 0.0), (start + 300_000, 20.0), (end, 20.0)]
    assert capacity.lines([], Card("a"), now) == ((), ())


def test_texts_to_applicants_are_counted_and_pages_are_shown(engine: sa.Engine, raw: object) -> None:
    """They are told apart, and counted from a moment on."""
    with engine.begin() as connection:
        for number in range(3):
            outbox.put_page(
                connection,
                token=f"page-{number}",
                incident=None,
                kind="late",
                reference="K7",
                recipient="+12025550143",
                body=f"page {number}",
            )
        outbox.put(raw, token="t", job=None, kind="grant", recipient="+12025550144", body="granted")  # type: ignore[arg-type]
        raw.commit()  # type: ignore[attr-defined]
    with engine.connect() as connection:
        now = clock(engine)
        assert [text.body for text in outbox.last_pages(connection, 2)] == ["page 2", "page 1"]
        assert outbox.to_applicants(connection, since=now - timedelta(hours=1)).written == 1
        assert outbox.to_applicants(connection, since=now + timedelta(hours=1)) == outbox.TextCounts()


@pytest.mark.parametrize(
    ("sender", "fate", "words"),
    [("log", "logged", "1 only logged"), ("twilio", "delivered", "1 handed over")],
)
def test_what_was_only_logged_is_not_called_delivered(
    engine: sa.Engine, sender: str, fate: str, words: str
) -> None:
    """What the handset log took last was delivered to nobody, and so was what it carried."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into oms.messages (token, kind, recipient, body, state, attempts, merged_into) values"
            " ('a', 'grant', '+12025550144', 'granted', 'delivered', 2, null),"
            " ('b', 'late', '+12025550143', 'late', 'delivered', 2, null),"
            " ('c', 'late', '+12025550143', 'late too', 'merged', 0, currval('oms.messages_id_seq') - 1)"
        )
        connection.exec_driver_sql(
            "insert into oms.message_attempts (message_id, number, sender)"
            " select id, 1, 'webhook' from oms.messages where attempts = 2 union all"
            f" select id, 2, '{sender}' from oms.messages where attempts = 2"
        )
        connection.exec_driver_sql("update oms.messages set page = true where kind = 'late'")
        texts = outbox.texts_of(connection, limit=3)
        assert [text.fate for text in texts] == [fate] * 3
        assert [text.state for text in texts] == ["merged", "delivered", "delivered"]
        counts = outbox.to_applicants(connection)
        assert (text_counts.words(counts), counts.delivered) == (words, int(fate == "delivered"))
