"""A user of Redis with the rights that docs/servers.md names, and no others: a cycle passes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa

from hms_floor.cli.installation import db
from hms_oms.database import connections
from tests.conftest import Programs, wait_until
from tests.crash.test_pooler import FOLDER, KNOWN, accept, ended
from tests.support import redis_servers
from tests.support.programs import run_hms

GUIDE = Path(__file__).parents[2] / "docs/servers.md"


def rights() -> str:
    """The rights that the guide names, for all queues of the recipes, as one line of a configuration."""
    match = re.search(r"^user hms on >PASSWORD (.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    assert match is not None
    item, rest = match[1].split("\n", 1)
    queues = {queue for recipe in KNOWN.values() for queue in recipe.queues}
    return " ".join([*(item.replace("QUEUE", queue) for queue in queues), *rest.split()])


@pytest.mark.drill
def test_a_cycle_with_the_least_rights(programs: Programs, engine: sa.Engine, tmp_path: Path) -> None:
    """All programs sign in as this user; nothing is refused it, and the default user is closed."""
    lines = f"user default off\nuser hms on >secret {rights()}\nuser admin on >secret ~* &* +@all\n"
    with redis_servers.server(config=f'save ""\n{lines}') as (port, _):
        programs.environment["HMS_BROKER_URL"] = f"redis://hms:secret@127.0.0.1:{port}/0"
        programs.environment["HMS_RECIPES"] = str(FOLDER)
        url = programs.environment["HMS_DATABASE_URL"]
        db.prepare(url, KNOWN.values())
        programs.dispatcher()
        programs.start("ops", "-m", "hms_floor", "ops", "run")
        programs.worker("w", "threads", 8)
        batch = accept(url, 40)
        outcomes = wait_until(lambda: ended(url, batch), "the cycle to end", 60)
        assert {status for status, _ in outcomes} == {"done"}
        wait_until(lambda: received(engine), "the watch to have heard of the steps")
        checked = run_hms(["check"], programs.environment)
        assert "Redis" in checked.stdout
        programs.processes[-1].terminate()
        programs.processes[-1].wait(30)
        with redis.Redis(port=port, username="admin", password="secret", decode_responses=True) as admin:
            refused = {(entry["reason"], entry["object"]) for entry in admin.acl_log()}
        # Before it signs in, who looks whether the server is up is nobody.
        assert {item for item in refused if item[1] != "ping"} <= {("auth", "AUTH")}
        connections.engine(url).dispose()


def test_no_more_may_be_done() -> None:
    """Redis itself refuses the user what the programs do not need."""
    lines = f"user default off\nuser hms on >secret {rights()}\n"
    with (
        redis_servers.server(config=lines) as (port, _),
        redis.Redis(port=port, username="hms", password="secret") as client,
    ):
        assert client.llen("farm-grant") == 0
        for command in ("keys *", "flushall", "config get *", "eval x 0", "llen other", "shutdown"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command.split())


def received(engine: sa.Engine) -> bool:
    """Whether the watch knows from events how long a step takes."""
    query = "select count(*) from ops.metrics where name = 'step.time' and source = 'events'"
    with engine.connect() as connection:
        return bool(connection.scalar(sa.text(query)))
