"""The one door for settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hms_oms import settings
from hms_oms.errors import ConfigError


def test_every_fault_is_told_at_once() -> None:
    """All wrong values and unknown names are listed together, each by its name, with what is meant."""
    with pytest.raises(ConfigError) as refused:
        settings.load(
            {
                "HMS_WORKERS": "many",
                "HMS_WORKER_POOL": "gevent",
                "HMS_DATABASE_URL": "mysql://root:hunter2@db/hms",
                "HMS_BROKER_ULR": "redis://x",
                "HMS_LOG_LEVEL": " ",
            }
        )
    told = "\n".join(refused.value.faults)
    assert len(refused.value.faults) == 5
    assert "HMS_BROKER_ULR is not a setting; did you mean HMS_BROKER_URL?" in told
    assert "HMS_WORKERS: must be a whole number from 0 to 64, not 'many'" in told
    assert "HMS_WORKER_POOL: must be one of prefork, threads, solo" in told
    assert "HMS_LOG_LEVEL is empty" in told
    assert "hunter2" not in told


def test_a_url_never_shows_in_a_repr() -> None:
    """URLs may hold passwords: the settings' repr leaves them out."""
    loaded = settings.load({"HMS_DATABASE_URL": "postgresql://u:hunter2@db/hms"})
    assert "hunter2" not in repr(loaded)


def test_a_running_floor_is_found_in_its_home(tmp_path: Path) -> None:
    """What the environment does not name is read from the servers file of the home."""
    found = {"database_url": "postgresql://a/b", "broker_url": "redis://c"}
    (tmp_path / settings.SERVERS_FILE).write_text(json.dumps(found))
    loaded = settings.load({"HMS_HOME": str(tmp_path), "HMS_BROKER_URL": "redis://d"})
    assert loaded.servers() == ("postgresql://a/b", "redis://d")


def test_without_servers_the_error_says_what_to_do(tmp_path: Path) -> None:
    """Nothing running and nothing set: the error names the home and the ways out."""
    with pytest.raises(ConfigError, match=r"hms up.*HMS_HOME") as refused:
        settings.load({"HMS_HOME": str(tmp_path)}).servers()
    assert str(tmp_path) in str(refused.value)
