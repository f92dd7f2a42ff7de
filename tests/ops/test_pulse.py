"""The heartbeat: fresh, stale, never heard."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa

from hms_ops import heartbeats


def seen(engine: sa.Engine) -> dict[str, heartbeats.Pulse]:
    """The pulses by name."""
    with engine.connect() as connection:
        return {pulse.name: pulse for pulse in heartbeats.status(connection)}


def beat(engine: sa.Engine, name: str, **detail: object) -> None:
    """One beat, committed."""
    with engine.begin() as connection:
        heartbeats.beat(connection, name, detail)


def test_a_program_that_has_never_beaten_is_stale(engine: sa.Engine) -> None:
    """On a new ledger the watch and the pager are both shown, without an age, as stale."""
    result = seen(engine)
    assert list(result) == ["ops", "pager"]
    assert all((value.at, value.age_seconds, value.stale) == (None, None, True) for value in result.values())


def test_a_beat_goes_stale_by_the_ledgers_clock(
    engine: sa.Engine, forward: Callable[[timedelta], None]
) -> None:
    """A beat is fresh until it is older than ten seconds; the other program's beat does not help it."""
    beat(engine, "ops", queues=3)
    fresh = seen(engine)["ops"]
    assert fresh.age_seconds is not None
    assert not fresh.stale
    assert fresh.detail == {"queues": 3}
    forward(timedelta(seconds=heartbeats.STALE_SECONDS + 0.1))
    beat(engine, "pager")
    result = seen(engine)
    assert (result["ops"].stale, result["pager"].stale) == (True, False)
    age = result["ops"].age_seconds
    assert age is not None
    assert 10.1 <= age < 20


def test_a_beat_from_before_the_clock_was_set_back_is_stale(
    engine: sa.Engine, forward: Callable[[timedelta], None]
) -> None:
    """It is no sign of life until the clock is there again; the next beat is."""
    beat(engine, "ops")
    forward(timedelta(hours=-1))
    assert seen(engine)["ops"].stale
    beat(engine, "ops")
    assert not seen(engine)["ops"].stale


def test_each_beat_replaces_the_one_before(engine: sa.Engine, forward: Callable[[timedelta], None]) -> None:
    """The newest beat and its detail are what is shown, also of a program that is not required to beat."""
    beat(engine, "ops", turn=1)
    beat(engine, "replay", turn=1)
    forward(timedelta(seconds=60))
    beat(engine, "ops", turn=2)
    result = seen(engine)
    assert list(result) == ["ops", "pager", "replay"]
    assert (result["ops"].stale, result["ops"].detail) == (False, {"turn": 2})
    assert result["replay"].stale
