"""One shortest and one longest SLA, wherever one is given; and no number that is none in any document."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import TypeAdapter, ValidationError

from hms_floor.api.requests import requests
from hms_floor.cli.terminal.arguments import Minutes
from hms_oms.recipes import recipes
from hms_oms.recipes.sla_bounds import LEAST_MINUTES, MOST_MINUTES
from hms_oms.runtime.errors import ConfigError, RequestRejected
from hms_ops.oncall import oncall
from tests.conftest import RECIPES

BAD = [1e-9, 0, -1, LEAST_MINUTES / 2, MOST_MINUTES + 1, math.nan, math.inf, -math.inf, 1e308]


def recipe(minutes: Any) -> str:
    """A recipe's file with this SLA."""
    text = (RECIPES / "shop.toml").read_text()
    [line] = [line for line in text.splitlines() if line.startswith("sla_minutes")]
    return text.replace(line, f"sla_minutes = {minutes}")


@pytest.mark.parametrize("minutes", BAD)
def test_an_sla_that_nobody_can_hold_is_refused_everywhere(minutes: float, tmp_path: Path) -> None:
    """By the API, the command line and the recipes."""
    with pytest.raises(ValidationError):
        TypeAdapter(requests.Minutes).validate_python(minutes)
    with pytest.raises(click.BadParameter):
        Minutes().convert(str(minutes), None, None)
    path = tmp_path / "shop.toml"
    path.write_text(recipe(minutes))
    with pytest.raises(ConfigError, match="sla_minutes"):
        recipes.load_file(path)


@pytest.mark.parametrize("minutes", [LEAST_MINUTES, 0.5, 30, MOST_MINUTES])
def test_the_bounds_themselves_are_taken(minutes: float, tmp_path: Path) -> None:
    """The same by all three."""
    assert TypeAdapter(requests.Minutes).validate_python(minutes) == minutes
    assert Minutes().convert(str(minutes), None, None) == minutes
    path = tmp_path / "shop.toml"
    path.write_text(recipe(minutes))
    assert recipes.load_file(path).sla_minutes == minutes


@pytest.mark.parametrize("minutes", ["nan", "inf", "1e308", "-1"])
def test_a_step_of_the_rota_comes_after_a_real_time(minutes: str) -> None:
    """An on-call document, too, holds minutes."""
    source = f'recipients.ann = "+12025550142"\n[[steps]]\nafter_minutes = {minutes}\nnotify = ["ann"]\n'
    with pytest.raises(RequestRejected, match="after_minutes"):
        oncall.parse(source)
