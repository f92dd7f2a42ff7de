"""The stack in containers, as far as its file tells: who holds which secret, and who probes what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from hms_floor import cli

ROOT = Path(__file__).resolve().parents[2]
STACK: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = {name: service for name, service in STACK["services"].items() if "build" in service}


def test_the_badge_key_is_where_badges_are_issued_and_nowhere_else() -> None:
    """Each volume belongs to one service, and only the API's outlives its container with a key in it."""
    volumes = {name: service.get("volumes", []) for name, service in OURS.items()}
    assert [name for name, kept in volumes.items() if kept] == ["ops", "floor"]
    assert volumes["ops"] != volumes["floor"]
    assert not [name for name, service in OURS.items() if "HMS_BADGE_KEY" in str(service["environment"])]


@pytest.mark.parametrize("name", OURS)
def test_no_url_with_a_password_stands_in_the_environment(name: str) -> None:
    """The programs read them from files."""
    environment = OURS[name]["environment"]
    assert environment["HMS_DATABASE_URL_FILE"] == "/run/secrets/database_url"
    assert environment["HMS_BROKER_URL_FILE"] == "/run/secrets/broker_url"
    assert "HMS_DATABASE_URL" not in environment
    assert OURS[name].get("user") != "root"


@pytest.mark.parametrize("name", OURS)
def test_what_a_container_runs_and_is_probed_with_exists(name: str) -> None:
    """Every `hms` command of the file is one of the command line."""
    for words in (OURS[name].get("command", []), OURS[name]["healthcheck"]["test"][1:]):
        if words[0] == "hms":
            noun = cli.main.get_command(click.Context(cli.main), words[1])
            assert isinstance(noun, click.Group)
            assert words[2] in noun.commands
