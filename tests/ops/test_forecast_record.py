"""The record of forecasts: Brier score, latest ends and announcements, counted by hand in a real ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from hms_oms.recipes.recipes import Recipe
from hms_ops.documents.reports import ForecastRecord
from hms_ops.reports import forecast_record

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)

_FORECASTS = """
insert into ops.forecasts (queue, job_id, at, is_last, deadline, priority, mean, deviation, median, latest,
    learnt_from, chance, missed, ended)
values ('shop', 1, :at, false, :deadline, 0, :mean, 10, :mean, :latest, 0, :chance, :missed, :ended)
"""
_INCIDENT = """
insert into ops.incidents (rule, queue, state, late_jobs, active_at, last_true_at, opened_at, resolved_at)
values ('late', 'shop', 'resolved', :late, :at, :at, :at, :at) returning id
"""
_EVENT = """
insert into ops.incident_events (incident_id, kind, detail) values (:incident, :kind, cast(:detail as jsonb))
"""
_LATE = "insert into ops.incident_jobs (incident_id, job_id, deadline) values (:incident, 1, :deadline)"


def said(
    engine: sa.Engine, due: float, mean: float, latest: float, chance: float, ended: float | None
) -> None:
    """Keep a forecast of noon; lengths of time are seconds from then."""
    with engine.begin() as connection:
        connection.execute(
            sa.text(_FORECASTS),
            {
                "at": NOON,
                "deadline": NOON + timedelta(seconds=due),
                "mean": mean,
                "latest": latest,
                "chance": chance,
                "missed": ended is None or ended > latest,
                "ended": ended,
            },
        )


def incident(engine: sa.Engine, stage: str, ahead: float | None, *, answered: bool = False) -> None:
    """Keep an incident that opened in a stage, so many seconds before a job was late (None: none was)."""
    with engine.begin() as connection:
        late = int(ahead is not None)
        number = connection.scalar(sa.text(_INCIDENT), {"late": late, "at": NOON})
        kinds = ["opened", *(["acknowledged"] if answered else [])]
        for kind in kinds:
            detail = f'{{"stage": "{stage}"}}'
            connection.execute(sa.text(_EVENT), {"incident": number, "kind": kind, "detail": detail})
        if ahead is not None:
            deadline = NOON + timedelta(seconds=ahead)
            connection.execute(sa.text(_LATE), {"incident": number, "deadline": deadline})


def record(engine: sa.Engine) -> ForecastRecord | None:
    """The record of the shop on that day."""
    with engine.connect() as connection:
        assert forecast_record.read(connection, NOON + DAY, NOON + 2 * DAY) == {}
        return forecast_record.read(connection, NOON - DAY, NOON + DAY).get("shop")


def test_what_was_said_is_held_against_what_came(engine: sa.Engine, shop: Recipe) -> None:
    """Two close calls, one of which was late; one of five latest ends has passed and its job is open."""
    assert record(engine) is None
    said(engine, 100, 100, 200, 0.8, 110)
    said(engine, 120, 100, 200, 0.3, 100)
    said(engine, 1000, 10, 20, 0.0, 10)
    said(engine, 1000, 10, 20, 0.1, 40)
    said(engine, 1000, 10, 20, 0.1, None)
    result = record(engine)
    assert result is not None
    assert (result.since, result.forecasts, result.close_calls, result.latest_ends) == (NOON, 4, 2, 5)
    assert result.brier == pytest.approx((0.2**2 + 0.3**2) / 2)
    assert result.kept == pytest.approx(3 / 5)
    assert result.width == pytest.approx((200 / 110 + 2) / 2)


def test_announcements_are_held_against_breaches(engine: sa.Engine, shop: Recipe) -> None:
    """Two of three breaches were announced, five minutes ahead in the median; one alarm came to nothing."""
    incident(engine, "will be late", 200)
    incident(engine, "will be late", 400)
    incident(engine, "late", 0)
    incident(engine, "will be late", None, answered=True)
    incident(engine, "waits too long", None)
    result = record(engine)
    assert result is not None
    assert (result.breaches, result.announced, result.warning_seconds) == (3, 2, 300)
    assert (result.alarms, result.came_to_nothing, result.answered) == (3, 1, 1)
