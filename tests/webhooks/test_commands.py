"""`hms webhook` and its routes, at a real API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hms_floor.cli.webhooks import webhook
from hms_oms.access import audit
from hms_oms.access.audit import Filter
from hms_oms.recipes import registry
from hms_ops.webhooks import outbox, signing, store
from tests.conftest import shop_recipes
from tests.support.api import standing
from tests.support.command_line import Hms, command_line

URL = "https://hooks.invalid/hms?token=s3cret"


@pytest.fixture
def hms(engine: sa.Engine, database: str, broker: str, tmp_path: Path) -> Iterator[Hms]:
    """Call `hms` as one with each role."""
    with engine.begin() as connection:
        for recipe in shop_recipes().values():
            registry.register(connection, recipe)
    with standing(database, broker, tmp_path / "home") as running:
        yield command_line({**running.found, "COLUMNS": "200"})


def test_a_webhook_from_its_beginning_to_its_end(
    hms: Hms, engine: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Added with a secret told once, tested, sent again, paused, resumed and removed; all of it audited."""
    monkeypatch.setattr(webhook, "TEST_SECONDS", 0.0)
    assert "There is no webhook" in hms("webhook", "list").stdout
    added = hms("webhook", "add", "billing", URL, "--event", "job.failed", "--event", "job.done")
    assert added.returncode == 0, added.stderr
    secret = next(word for word in added.stdout.split() if word.startswith("whsec_"))
    listed = hms("webhook", "list").stdout + hms("webhook", "get", "billing").stdout
    assert "job.done, job.failed" in listed
    assert "active" in listed
    assert secret not in listed
    assert "s3cret" not in listed

    tested = hms("webhook", "test", "billing")
    assert (tested.returncode, "no attempt was made" in tested.stderr) == (1, True)
    with engine.begin() as connection:
        [event] = outbox.find(connection, store.number(connection, "billing"), states=[], limit=9)
        connection.exec_driver_sql(
            "update ops.webhook_deliveries set state = 'failed', finished_at = oms.now(), fault = 'HTTP 500'"
        )
        salt = connection.scalar(sa.text("select salt::text from ops.webhooks"))
    key = (tmp_path / "home" / signing.KEY_FILE).read_bytes()
    assert signing.secret(key, 1, str(salt)) == secret
    given_up = hms("webhook", "deliveries", "billing", "--state", "failed").stdout
    assert "webhook.test" in given_up
    assert "HTTP 500" in given_up
    again = hms("webhook", "resend", "billing", str(event.id))
    assert again.returncode == 0, again.stderr
    assert hms("webhook", "deliveries", "billing", "--state", "failed").stdout == "No such events.\n"

    assert "1 events wait" in hms("webhook", "pause", "billing", "--reason", "they move").stdout
    assert "paused by" in hms("webhook", "get", "billing").stdout
    assert hms("webhook", "test", "billing").returncode == 1
    assert "resumed" in hms("webhook", "resume", "billing").stdout
    assert "1 events that waited are dropped" in hms("webhook", "remove", "billing").stdout
    gone = hms("webhook", "get", "billing")
    assert (gone.returncode, "`hms webhook list` shows them" in gone.stderr) == (4, True)
    with engine.connect() as connection:
        acts = audit.find(connection, Filter(subject="billing"), limit=20)
    done = [act.action.removeprefix("POST /webhooks") for act in acts if act.status < 400]
    assert done[::-1] == [
        "",
        "/{name}/test",
        "/{name}/deliveries/{id}/resend",
        "/{name}/pause",
        "/{name}/resume",
        "/{name}/remove",
    ]
    assert "s3cret" not in str(acts)


def test_what_cannot_be_is_refused_with_its_reason(hms: Hms) -> None:
    """Nothing is added, and the message says what was wrong."""
    for words, fault in REFUSED:
        refused = hms("webhook", "add", "billing", *words)
        assert refused.returncode in (1, 2, 4), refused.stdout
        assert fault in refused.stderr
        assert "pw@" not in refused.stderr
    assert "There is no webhook" in hms("webhook", "list").stdout


REFUSED = (
    (["http://127.0.0.1:9/x", "--event", "job.done"], "HMS_EVENTS_NETWORKS"),
    (["https://169.254.169.254/latest", "--event", "job.done"], "no public address"),
    (["https://ann:pw@hooks.invalid/", "--event", "job.done"], "no user or password"),
    ([URL, "--event", "job.done", "--queue", "nowhere"], "no queue"),
    ([URL, "--event", "job.done", "--type", "shop:oder:v1"], "shop:oder:v1"),
    ([URL, "--event", "cycle.ended", "--queue", "shop"], "a cycle has no queue"),
    ([URL, "--event", "job.dne"], "job.dne"),
    ([URL], "--event"),
)
