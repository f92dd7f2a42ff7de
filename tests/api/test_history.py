"""The history of a queue through the API: its points, what is behind them, and who did what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from hms_floor.auth.tokens import Role
from tests.api.conftest import ApiServer

#: Three minutes before now, and as long before that a day and a week ago: 7, 5 and 3 open jobs.
_SAMPLES = """
insert into ops.samples (at, name, queue, subject, value)
select
    date_trunc('minute', oms.now()) - days * interval '1 day' - interval '3 minutes',
    name, 'shop', subject, value
from (values (0, 4), (1, 2), (7, 0)) as past (days, waiting),
    lateral (values
        ('queue.length', 'backlog', waiting), ('queue.length', 'running', 3),
        ('queue.throughput.minute', '', 0.5)
    ) as kept (name, subject, value)
"""
_INCIDENT = """
insert into ops.incidents (
    rule, queue, state, reference, facts, worst,
    active_at, last_true_at, opened_at, changed_at, resolved_at, resolved_by
)
select
    'late', 'shop', 'resolved', 'K7', '{"value": 2, "late_jobs": 2}', 2,
    at, at, at, at, at + interval '1 minute', 'ada'
from (select oms.now() - interval '4 minutes' as at) as moment
"""


def written(when: datetime) -> str:
    """A time as the API reads it."""
    return f"{when:%Y-%m-%dT%H:%M:%SZ}"


def history(api_server: ApiServer, query: str = "", *roles: Role) -> dict[str, Any]:
    """The history of the shop's queue."""
    return dict(api_server.get(f"/queues/shop/history{query}", *roles))


def test_the_history_of_a_queue_has_what_was_so_long_before(api_server: ApiServer, engine: sa.Engine) -> None:
    """The points of now and of a day or a week before have the same times."""
    with engine.begin() as connection:
        connection.exec_driver_sql(_SAMPLES)
    now = datetime.now(UTC)
    window = f"?from={written(now - timedelta(hours=2))}&to={written(now + timedelta(minutes=1))}"
    plain = history(api_server, window, Role.VIEWER)
    assert (plain["queue"], plain["step"], plain["behind"]) == ("shop", 60, [])
    [point] = plain["points"]
    assert (point["open"], point["openMost"], point["running"], point["donePerMinute"]) == (7, 7, 3, 30)
    assert point["wait"] is None
    for behind, number in (("day", 5), ("week", 3)):
        [before] = history(api_server, f"{window}&behind={behind}")["behind"]
        assert (before["at"], before["open"]) == (point["at"], number)
    day = history(api_server)
    # The step in which the day begins may have what was a day before.
    assert (day["step"], day["points"][-1]["open"]) == (300, 7)
    assert datetime.fromisoformat(day["until"]) - datetime.fromisoformat(day["since"]) == timedelta(days=1)
    short = history(api_server, f"?from={written(now - timedelta(minutes=9))}")
    assert (short["step"], short["points"][0]["openMost"]) == (5, None)


def test_marks_say_who_did_what_and_why(api_server: ApiServer, engine: sa.Engine) -> None:
    """Limits, SLAs, pauses and incidents; what was refused and what was done to another queue is no mark."""
    for verb, path, body in (
        ("POST", "limit", {"startsPerMinute": 40, "reason": "county fair"}),
        ("PUT", "sla", {"minutes": 45}),
        ("POST", "pause", {"reason": "roster"}),
        ("POST", "pause", {"dryRun": True}),
        ("POST", "resume", None),
    ):
        assert api_server.ask(verb, f"/queues/shop/{path}", body).is_success
    assert api_server.ask("POST", "/queues/shop/pause", {}, Role.VIEWER).status_code == 403
    assert api_server.ask("PUT", "/queues/shop/sla", {"minutes": -1}).status_code == 422
    assert api_server.ask("POST", "/queues/visit/pause", {}).is_success
    with engine.begin() as connection:
        connection.exec_driver_sql(_INCIDENT)
    marks = history(api_server, "", Role.VIEWER)["marks"]
    assert [(mark["kind"], mark["who"], mark["words"], mark["reason"]) for mark in marks[2:]] == [
        ("limit", "ann", "limited shop to 40 a minute", "county fair"),
        ("sla", "ann", "set the SLA of shop to 45 min (it was 30 min)", None),
        ("pause", "ann", "paused shop", "roster"),
        ("resume", "ann", "resumed shop", None),
    ]
    opened, over = marks[:2]
    assert (opened["kind"], opened["incident"], opened["who"]) == ("incident", "K7", None)
    assert opened["words"].startswith("#K7: ")
    assert opened["reason"].startswith("shop: ")
    assert (over["kind"], over["words"], over["who"]) == ("over", "#K7 is over", "ada")
    before = history(api_server, "?to=2026-01-02&from=2026-01-01")
    assert before["marks"] == []


def test_a_history_that_cannot_be_is_refused(api_server: ApiServer) -> None:
    """With the reason: another queue, the wrong way round, too long, or behind something else."""
    for query, status in (
        ("nowhere/history", 404),
        ("shop/history?from=2026-01-02&to=2026-01-01", 409),
        ("shop/history?from=2024-01-02&to=2026-01-01", 409),
        ("shop/history?behind=month", 422),
        ("shop/history?from=yesterday", 422),
    ):
        answer = api_server.ask("GET", f"/queues/{query}")
        assert answer.status_code == status, answer.text
