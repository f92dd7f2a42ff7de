"""Silence and refusal of the real servers: frozen, out of memory, turned replica, read-only."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from hms_act.broker_watch import BrokerWatch
from hms_floor.local import embedded
from hms_oms.broker import waiting_tickets
from hms_oms.database import connections, probing
from hms_oms.database.schema import migrate
from hms_oms.recipes import registry
from tests.conftest import RECIPES, Programs, shop_recipes, wait_until
from tests.support.api import RunningApi, standing
from tests.support.programs import run_hms

Frozen = Callable[[str], Any]


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Servers]:
    """Servers of this module alone, migrated: they are frozen and filled, and nobody else may notice."""
    with embedded.serving(tmp_path_factory.mktemp("own"), fast=True) as running:
        assert running.database_url is not None
        migrate.upgrade(running.database_url)
        with connections.engine(running.database_url).begin() as connection:
            for recipe in shop_recipes().values():
                registry.register(connection, recipe)
        yield running
        connections.engine(running.database_url).dispose()


@pytest.fixture
def urls(own: embedded.Servers) -> tuple[str, str]:
    """The database and broker URL."""
    assert own.database_url is not None
    assert own.broker_url is not None
    return own.database_url, own.broker_url


@pytest.fixture
def store(urls: tuple[str, str]) -> Iterator[redis.Redis]:
    """This module's Redis, put right again afterwards."""
    client = waiting_tickets.client(urls[1])
    yield client
    client.config_set("maxmemory", 0)
    client.replicaof("NO", "ONE")
    client.close()


@pytest.fixture
def read_only(urls: tuple[str, str]) -> Iterator[Callable[[], None]]:
    """Turn the ledger read-only for every new connection, and end the old ones."""

    def turn(value: str = "on") -> None:
        with closing(connections.connect(urls[0], "test")) as connection, connection.cursor() as cursor:
            cursor.execute("set default_transaction_read_only = off")
            cursor.execute(f"alter database hms set default_transaction_read_only = {value}")
            cursor.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
                " and backend_type = 'client backend'"
            )

    yield turn
    turn("off")


@contextmanager
def frozen(own: embedded.Servers, name: str) -> Iterator[None]:
    """Stop every process of a server for as long as the block lasts."""
    (server,) = [process for process in own.processes if process.program.name == name]
    family = _family(server.process.pid)
    for pid in family:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in family:
            os.kill(pid, signal.SIGCONT)


def _family(pid: int) -> list[int]:
    import psutil

    process = psutil.Process(pid)
    return [pid, *(child.pid for child in process.children(recursive=True))]


@pytest.fixture(scope="module")
def api_server(own: embedded.Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """The API on this module's servers."""
    assert own.database_url is not None
    assert own.broker_url is not None
    with standing(own.database_url, own.broker_url, tmp_path_factory.mktemp("home")) as running:
        yield running


def health(api_server: RunningApi) -> tuple[int, dict[str, Any]]:
    """What /healthz says: its status, and each part by name."""
    answer = httpx.get(f"{api_server.url}/healthz", trust_env=False, timeout=4.0, verify=False)
    return answer.status_code, {part["name"]: part for part in answer.json()["parts"]}


def told(api_server: RunningApi, name: str, words: str, seconds: float = 15.0) -> None:
    """Wait until /healthz says these words of a part, with 503."""

    def look() -> bool:
        status, parts = health(api_server)
        return status == 503 and words in parts[name]["words"]

    wait_until(look, f"/healthz to say of {name}: {words}", seconds)


def order(api_server: RunningApi, number: int) -> httpx.Response:
    """Ask for a job."""
    return httpx.post(
        f"{api_server.url}/jobs",
        json={"jobType": "shop:order:v1", "payload": {"number": number}},
        headers={"Authorization": f"Bearer {api_server.badge('manager', 'operator')}"},
        trust_env=False,
        timeout=10.0,
        verify=False,
    )


def test_a_server_that_is_well_refuses_nothing(urls: tuple[str, str]) -> None:
    """A write passes, and leaves nothing behind."""
    assert probing.redis_refusal(probing.redis_client(urls[1])) is None
    with closing(connections.connect(urls[0], "test")) as connection, connection.cursor() as cursor:
        assert probing.postgresql_refusal(connection) is None
        cursor.execute("select count(*) from oms.write_probe")
        assert cursor.fetchone() == (0,)


def test_redis_out_of_memory_and_as_a_replica_is_named(store: redis.Redis, urls: tuple[str, str]) -> None:
    """Both answer reads; both are told by what a write gets."""
    client = probing.redis_client(urls[1])
    store.config_set("maxmemory", 1)
    refusal = probing.redis_refusal(client)
    assert refusal is not None
    assert (refusal.kind, "out of memory" in refusal.words) == ("out-of-memory", True)
    store.config_set("maxmemory", 0)
    store.replicaof("127.0.0.1", "1")
    refusal = probing.redis_refusal(client)
    assert refusal is not None
    assert refusal.kind == "read-only"


def test_a_frozen_redis_is_silent_within_the_time_out(own: embedded.Servers, urls: tuple[str, str]) -> None:
    """The question is given up, not repeated."""
    watch = BrokerWatch(urls[1])
    with frozen(own, "redis"):
        began = time.monotonic()
        refusal = watch.look()
        assert time.monotonic() - began < probing.PATIENCE_SECONDS + 1
    assert refusal is not None
    assert refusal.words == "does not answer"
    assert watch.look() is None


@pytest.mark.parametrize("code", ["53100", "25006", "53200", "58030"])
def test_what_postgresql_refuses_is_named(urls: tuple[str, str], code: str) -> None:
    """A full disk, a replica, no memory, a broken disk: each by its own words."""
    with closing(connections.connect(urls[0], "test")) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"create function pg_temp.fail() returns trigger language plpgsql as"
            f" $$begin raise exception 'no' using errcode = '{code}'; end$$"
        )
        cursor.execute("create trigger fail before insert on oms.write_probe execute function pg_temp.fail()")
        try:
            refusal = probing.postgresql_refusal(connection)
        finally:
            cursor.execute("drop trigger fail on oms.write_probe")
        assert refusal is not None
        assert refusal.kind in ("no-space", "read-only", "out-of-memory", "broken-disk")
        assert probing.postgresql_refusal(connection) is None


def test_healthz_names_a_frozen_redis_and_takes_jobs_all_the_same(
    own: embedded.Servers, api_server: RunningApi
) -> None:
    """The ledger is the queue: what is accepted meanwhile stays accepted."""
    with frozen(own, "redis"):
        told(api_server, "Redis", "cannot hand out: Redis does not answer since ")
        assert order(api_server, 1).status_code == 201
    wait_until(lambda: health(api_server)[1]["Redis"]["light"] == "ok", "Redis to be well again")


def soon(client: httpx.Client, path: str) -> int | None:
    """What is answered within the client's patience, which a busy machine may exceed now and then."""
    try:
        return client.get(path).status_code
    except httpx.TimeoutException:
        return None


def test_healthz_names_a_frozen_postgresql_without_waiting_for_it(
    own: embedded.Servers, api_server: RunningApi
) -> None:
    """It answers at once; anyone who wants something of the ledger is told soon, with the cause."""
    assert httpx.get(f"{api_server.url}/readyz", trust_env=False, verify=False).status_code == 200
    with frozen(own, "postgres"):
        told(api_server, "PostgreSQL", "PostgreSQL does not answer since ")
        with httpx.Client(
            base_url=api_server.url, trust_env=False, timeout=probing.PATIENCE_SECONDS, verify=False
        ) as client:
            # Each would take as long as a probe if it asked the ledger: the client would always give up.
            for path, status in (("/healthz", 503), ("/readyz", 503), ("/livez", 200)):
                assert wait_until(partial(soon, client, path), f"{path} to answer soon") == status
        wait_until(lambda: order(api_server, 2).status_code == 503, "a request to be turned away")
    wait_until(lambda: health(api_server)[1]["PostgreSQL"]["light"] == "ok", "PostgreSQL to be well again")


def test_a_ledger_that_is_read_only_is_503_with_the_cause(
    api_server: RunningApi, read_only: Callable[..., None]
) -> None:
    """Not 500: starting, steering and setting alike; nothing is half done."""
    read_only()
    told(api_server, "PostgreSQL", "read-only")
    head = {"Authorization": f"Bearer {api_server.badge('manager', 'operator', 'admin')}"}
    for method, path, body in (
        ("POST", "/jobs", {"jobType": "shop:order:v1", "payload": {"number": 3}}),
        ("POST", "/queues/shop/pause", {"reason": "test"}),
        ("PUT", "/queues/shop/sla", {"minutes": 5}),
        (
            "PUT",
            "/oncall",
            {
                "document": {
                    "timezone": "UTC",
                    "recipients": {"a": "+12025550143"},
                    "steps": [{"after_minutes": 0, "notify": ["a"]}],
                }
            },
        ),
        ("POST", "/badges", {"actor": "x@example.gov", "roles": ["viewer"]}),
    ):
        answer = httpx.request(
            method, api_server.url + path, json=body, headers=head, trust_env=False, verify=False
        )
        assert (answer.status_code, "read-only" in answer.text) == (503, True), (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    read_only("off")
    wait_until(lambda: order(api_server, 3).status_code == 201, "jobs to be accepted again")


def test_the_dispatcher_keeps_jobs_and_reports_while_redis_refuses(
    api_server: RunningApi, store: redis.Redis, urls: tuple[str, str], tmp_path: Path
) -> None:
    """Out of memory: the ledger knows the cause and no job leaves the backlog; then all are handed out."""
    with connections.engine(urls[0]).begin() as connection:
        connection.exec_driver_sql("update oms.queues set window_size = 100 where name = 'shop'")

    def ask(statement: str) -> Any:
        with connections.engine(urls[0]).connect() as connection:
            return connection.exec_driver_sql(statement).scalar()

    store.config_set("maxmemory", 1)
    programs = Programs(urls[0], urls[1], tmp_path)
    try:
        programs.dispatcher()
        wait_until(lambda: ask("select kind from oms.broker_state") == "out-of-memory", "the report")
        job = order(api_server, 100).json()["jobId"].removeprefix("job-")
        told(api_server, "Redis", "cannot hand out: Redis is out of memory")
        assert ask(f"select status from oms.jobs where id = {job}") == "waiting"
        store.config_set("maxmemory", 0)
        wait_until(lambda: ask(f"select status from oms.jobs where id = {job}") == "queued", "the hand-out")
        assert ask("select kind from oms.broker_state") is None
    finally:
        programs.end()
    told(api_server, "dispatcher", "the dispatcher has been silent for ", 20.0)


def check(api_server: RunningApi, **more: str) -> tuple[int, dict[str, Any], float]:
    """Run `hms check`: its exit code, its findings by name, and how long it took."""
    urls = {
        "HMS_DATABASE_URL": api_server.settings.database_url,
        "HMS_BROKER_URL": api_server.settings.broker_url,
    }
    environment = {**api_server.environment(), **{key: url or "" for key, url in urls.items()}, **more}
    began = time.monotonic()
    done = run_hms(["check", "--json"], {**environment, "HMS_RECIPES": str(RECIPES)})
    assert "Traceback" not in done.stderr, done.stderr
    answer = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    return done.returncode, answer, time.monotonic() - began


def test_check_names_what_refuses(own: embedded.Servers, api_server: RunningApi, store: redis.Redis) -> None:
    """Out of memory, turned replica, frozen: each in words, with what to do, and exit code 1."""
    store.config_set("maxmemory", 1)
    code, result, _ = check(api_server)
    assert (code, result["Redis"]["light"]) == (1, "bad")
    assert "out of memory" in result["Redis"]["detail"]
    assert "memory" in result["Redis"]["advice"]
    assert result["PostgreSQL"]["light"] == "ok"
    store.config_set("maxmemory", 0)
    store.replicaof("127.0.0.1", "1")
    _, result, _ = check(api_server)
    assert "replica" in result["Redis"]["detail"]
    store.replicaof("NO", "ONE")
    with frozen(own, "redis"), frozen(own, "postgres"):
        code, result, seconds = check(api_server)
    assert code == 1
    assert seconds < 12
    for name in ("Redis", "PostgreSQL"):
        assert "does not answer" in result[name]["detail"]
    assert result["API"]["light"] == "bad"


def test_check_names_a_read_only_ledger(api_server: RunningApi, read_only: Callable[..., None]) -> None:
    """It answers every question, and takes nothing."""
    read_only()
    code, result, _ = check(api_server)
    assert code == 1
    assert "read-only" in result["PostgreSQL"]["detail"]


def test_check_asks_the_api_with_the_badge(api_server: RunningApi) -> None:
    """Whether it answers, whether it takes the badge; nobody at the address is a failure."""
    _, result, _ = check(api_server)
    assert result["API"]["light"] in ("ok", "warn")
    assert "badge of " in result["API"]["detail"]
    code, result, _ = check(api_server, HMS_BADGE="not.a.badge")
    assert (code, result["API"]["light"]) == (1, "bad")
    code, result, _ = check(api_server, HMS_URL="http://127.0.0.1:1")
    assert (code, result["API"]["light"]) == (1, "bad")
    assert "cannot be reached" in result["API"]["detail"]


def test_check_lists_open_incidents(api_server: RunningApi, urls: tuple[str, str]) -> None:
    """One that reached nobody, and one that somebody has acknowledged: the first is a failure."""
    with connections.engine(urls[0]).begin() as connection:
        connection.exec_driver_sql(INCIDENTS)
    code, result, _ = check(api_server)
    assert code == 1
    assert (result["incident #K7"]["light"], result["incident #K8"]["light"]) == ("bad", "warn")
    assert "reached nobody" in result["incident #K7"]["detail"]
    told(api_server, "incidents", "#K7 reached nobody")
    with connections.engine(urls[0]).begin() as connection:
        connection.exec_driver_sql("truncate ops.incidents cascade")


INCIDENTS = """
insert into ops.incidents (
    rule, queue, state, reference, active_at, last_true_at, opened_at, page_from, acknowledged_by
) values
    ('late', 'shop', 'open', 'K7', oms.now(), oms.now(), oms.now(), oms.now() - interval '1 minute', null),
    ('failing', 'shop', 'acknowledged', 'K8', oms.now(), oms.now(), oms.now(), oms.now(), 'ann')
"""
