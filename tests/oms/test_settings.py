"""The one place for settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hms_oms.runtime import settings
from hms_oms.runtime.errors import ConfigError


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
    text = "\n".join(refused.value.faults)
    assert len(refused.value.faults) == 5
    assert "HMS_BROKER_ULR is not a setting; did you mean HMS_BROKER_URL?" in text
    assert "HMS_WORKERS: must be a whole number from 0 to 64, not 'many'" in text
    assert "HMS_WORKER_POOL: must be one of prefork, threads, solo" in text
    assert "HMS_LOG_LEVEL is empty" in text
    assert "hunter2" not in text


def test_a_url_never_shows_in_a_repr() -> None:
    """URLs may hold passwords: the settings' repr leaves them out."""
    loaded = settings.load({"HMS_DATABASE_URL": "postgresql://u:hunter2@db/hms"})
    assert "hunter2" not in repr(loaded)


def test_a_running_floor_is_found_in_its_home(tmp_path: Path) -> None:
    """What the environment does not name is read from the servers file of the home."""
    result = {"database_url": "postgresql://a/b", "broker_url": "redis://c"}
    (tmp_path / settings.SERVERS_FILE).write_text(json.dumps(result))
    loaded = settings.load({"HMS_HOME": str(tmp_path), "HMS_BROKER_URL": "redis://d"})
    assert loaded.servers() == ("postgresql://a/b", "redis://d")


def test_without_servers_the_error_says_what_to_do(tmp_path: Path) -> None:
    """Nothing running and nothing set: the error names the home and the ways out."""
    with pytest.raises(ConfigError, match=r"hms up.*HMS_HOME") as refused:
        settings.load({"HMS_HOME": str(tmp_path)}).servers()
    assert str(tmp_path) in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HMS_FLOOR_PORT", "tcp://10.96.0.7:8080"),
        ("HMS_FLOOR_PORT_8080_TCP", "tcp://10.96.0.7:8080"),
        ("HMS_FLOOR_PORT_8080_TCP_ADDR", "10.96.0.7"),
        ("HMS_FLOOR_SERVICE_HOST", "10.96.0.7"),
        ("HMS_FLOOR_SERVICE_PORT_HTTP", "8080"),
        ("HMS_PORT", "udp://10.96.0.7:53"),
        ("HMS_SERVICE_HOST", "10.96.0.7"),
        ("HMS_FLOWER_PORT", "tcp://[fd00::7]:5555"),
    ],
)
def test_what_kubernetes_sets_for_a_service_is_not_a_setting(name: str, value: str) -> None:
    """A service called like ours puts variables into every container; the defaults stay."""
    loaded = settings.load({name: value})
    assert (loaded.floor_port, loaded.flower_port) == (8080, 0)


def test_a_port_that_is_meant_as_a_setting_is_still_checked() -> None:
    """Only a value of the form that Kubernetes writes is passed over."""
    with pytest.raises(ConfigError, match="HMS_FLOOR_PORT: must be a whole number"):
        settings.load({"HMS_FLOOR_PORT": "tcp"})


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    """What a container mounts is read from there, without the end of its line."""
    (tmp_path / "url").write_text("postgresql://hms:hunter2@db/hms\n")
    loaded = settings.load({"HMS_DATABASE_URL_FILE": str(tmp_path / "url")})
    assert loaded.database_url == "postgresql://hms:hunter2@db/hms"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file or directory"),
        (b"", "it holds 0 lines"),
        (b"hunter2\nhunter3\n", "it holds 2 lines"),
        (b"hunter2\xff", "it is not text"),
        (b"mysql://hunter2@db", "must begin with one of"),
    ],
)
def test_a_file_that_holds_no_secret_is_named_and_not_quoted(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    """The message has the setting, the file and the reason, and nothing of what is in it."""
    path = tmp_path / "url"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        settings.load({"HMS_DATABASE_URL_FILE": str(path)})
    assert why in str(refused.value)
    assert "hunter" not in str(refused.value)


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    """Nobody has to guess which of the two counts."""
    path = tmp_path / "badge"
    path.write_text("a.b.c")
    with pytest.raises(ConfigError, match="HMS_BADGE and HMS_BADGE_FILE are both set"):
        settings.load({"HMS_BADGE": "d.e.f", "HMS_BADGE_FILE": str(path)})


def test_only_secrets_may_come_from_a_file(tmp_path: Path) -> None:
    """For everything else `_FILE` is a misspelt name."""
    with pytest.raises(ConfigError, match="HMS_WORKERS_FILE is not a setting; did you mean HMS_WORKERS"):
        settings.load({"HMS_WORKERS_FILE": str(tmp_path)})
