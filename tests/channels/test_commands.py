"""`hms oncall channel` at a real API, with a pager and a service as a stranger."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hms_floor.cli import main
from hms_floor.cli.terminal import api_client as apis
from tests.channels import strangers
from tests.channels.strangers import Service
from tests.conftest import Programs, wait_until
from tests.support.api import RunningApi, standing

Hms = Callable[..., Result]
SECRET = "hunter2SECRETtoken"
ROTA = """
recipients = { team = { channel = "ops" } }
[[steps]]
after_minutes = 0
notify = ["team"]
"""


@pytest.fixture
def service() -> Iterator[Service]:
    """A service."""
    with strangers.service() as stranger:
        yield stranger


@pytest.fixture
def api(programs: Programs, tmp_path: Path) -> Iterator[RunningApi]:
    """An API, and a pager with the same home."""
    environment = programs.environment
    home = tmp_path / "home"
    with standing(environment["HMS_DATABASE_URL"], environment["HMS_BROKER_URL"], home) as running:
        programs.start("ops", "-m", "hms_floor", "ops", "run", HMS_HOME=str(home))
        wait_until(lambda: "pager: leading" in programs.said("ops"), "the pager to lead")
        yield running


@pytest.fixture
def hms(api: RunningApi, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hms]:
    """Call `hms oncall`; `feed` is its standard input."""
    for name in [name for name in os.environ if name.startswith("HMS_")]:
        monkeypatch.delenv(name)

    def call(*words: str, feed: str = "") -> Result:
        apis.oms.cache_clear()
        apis.ops.cache_clear()
        environment = {**api.found, "COLUMNS": "200"}
        return CliRunner().invoke(main, ["oncall", *words], input=feed, env=environment, prog_name="hms")

    yield call
    apis.oms.cache_clear()
    apis.ops.cache_clear()


def test_a_channel_from_its_address_to_a_page(
    hms: Hms, service: Service, forward: Callable[[timedelta], None]
) -> None:
    """Added from standard input, tested through the pager, removed, named in the document; never shown."""
    address = f"json://127.0.0.1:{service.port}/{SECRET}"
    refused = hms("channel", "add", "ops", feed=f"slack://{SECRET}\n")
    assert (refused.exit_code, "no address that Apprise understands" in refused.stderr) == (2, True)
    added = hms("channel", "add", "ops", feed=f"{address}\n")
    assert added.exit_code == 0, added.stderr
    listed = hms("channel", "list", "--json")
    assert json.loads(listed.stdout) == [{"name": "ops", "service": "JSON"}]
    tested = wait_until(
        lambda: (done := hms("channel", "test", "ops")).exit_code == 0 and done, "the pager to have it"
    )
    assert "ops has taken the page" in tested.stdout
    assert len(service.taken) == 1
    service.answers.append(410)
    forward(timedelta(minutes=1))
    failed = wait_until(
        lambda: (done := hms("channel", "test", "ops")).exit_code == 1 and done,
        "the pager to be heard after the clock has moved on",
    )
    assert (failed.exit_code, "HTTP 410" in failed.stderr) == (1, True), failed.stderr
    removed = hms("channel", "remove", "ops")
    assert removed.exit_code == 0, removed.stderr
    missing = wait_until(
        lambda: (done := hms("channel", "test", "ops")).exit_code == 4 and done, "the pager to notice"
    )
    assert "no channel ops" in missing.stderr
    document = hms("set", "-", feed=ROTA)
    assert "channel ops" in document.stdout, document.stderr
    assert "The pager has no channel ops" in document.stdout
    calls = (refused, added, listed, tested, document, failed, removed, missing)
    assert SECRET not in "".join(call.stdout + call.stderr for call in calls)
