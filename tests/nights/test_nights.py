"""A slice of the nights of `make nights`: of calls, schedules, deadlines, plans and forecasts."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from hms_oms.database.connections import RawConnection
from tests.nights.__main__ import KINDS
from tests.nights.night import Night


@pytest.mark.parametrize("seed", [1, 2])
def test_a_night_is_quiet_and_never_silent(
    seed: int, engine: sa.Engine, raw: RawConnection, tmp_path: Path
) -> None:
    """Never silent while jobs are late, no text twice, none in a silence, none above the throttle."""
    night = Night(seed, engine, raw, tmp_path / "handset.log", hours=1.0, every=20)
    night.play()
    assert night.arrived
    assert night.wrong == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_pure_holds_in_each_season(kind: str, seed: int) -> None:
    """No run is left out or doubled, no deadline off, no job given up needlessly, no chance above one."""
    assert KINDS[kind].wrong(seed) == []
