"""The hot statements stay on their indexes, with a long backlog and many ended jobs."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from hms_oms.database import connections, statements
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import ledger
from hms_oms.jobs.acceptance.requests import Requests
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe

WAITING, ENDED = 20_000, 20_000


@pytest.fixture
def long_backlog(engine: sa.Engine, shop: Recipe) -> sa.Engine:
    """A ledger with a long backlog behind a few running jobs, and a long past."""
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into oms.jobs (type, recipe_id, steps, queue, status, sla, sla_minutes, payload,"
                " requested_by, dispatched_at, finished_at, key)"
                " select 'shop:order:v1', 1, '{pick,pack,send}', 'shop',"
                " case when n <= :waiting then 'waiting' when n <= :waiting + 50 then 'queued'"
                " else 'done' end,"
                " oms.now() + n * interval '1 second', 30, '{}', 'test',"
                " case when n > :waiting then oms.now() end,"
                " case when n > :waiting + 50 then oms.now() end, n::text"
                " from generate_series(1, :waiting + 50 + :ended) as n"
            ),
            {"waiting": WAITING, "ended": ENDED},
        )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze oms.jobs")
    return engine


def plan(engine: sa.Engine, name: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Every node of the statement's plan, run for real and rolled back."""
    with engine.connect() as connection:
        value = connection.exec_driver_sql(
            "explain (analyze, buffers, format json) " + statements.text(name), parameters
        ).scalar_one()
        connection.rollback()
    document = value if isinstance(value, list) else json.loads(value)
    nodes, stack = [], [document[0]["Plan"]]
    while stack:
        node = stack.pop()
        nodes.append(node)
        stack += node.get("Plans", [])
    return nodes


#: A statement, its parameters, the index it is to use, and the most rows of jobs that it may touch.
PLANS: list[tuple[str, dict[str, Any], str, int]] = [
    (
        "take",
        {"queue": "shop", "count": 20, "last_band": 1, "band": None, "rank": None, "due": None, "job": None},
        "jobs_order",
        100,
    ),
    ("front", {"job": 500}, "jobs_order", 10),
    ("wake", {}, "jobs_delayed", 10),
    ("unclaimed", {"gone": 6.0, "silent": 3.5, "grace": 2.0, "in_flight_from": None}, "jobs_in_flight", 200),
    (
        "orphans",
        {"gone": 6.0, "silent": 3.5, "unheld": 4.0, "judge_workers": True, "in_flight_from": None},
        "jobs_in_flight",
        100,
    ),
    (
        "windows",
        {
            "gone": 6.0,
            "in_flight_from": None,
            "queues": [],
            "bands": [],
            "ranks": [],
            "dues": [],
            "jobs": [],
        },
        "jobs_order",
        200,
    ),
    (
        "claim",
        {
            "jobs": [7],
            "attempts": [1],
            "steps": ["pick"],
            "leases": [60.0],
            "alone": [True],
            "worker": "w",
            "heartbeat_within": None,
        },
        "jobs_pkey",
        20,
    ),
]


def test_sessions_plan_again_when_a_young_ledger_has_grown(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """A worker that planned its claims in an empty ledger uses the index as soon as tables are refreshed."""
    ticket = Ticket(1, 1, "pick")
    with engine.begin() as connection:
        # With the statistics of an empty ledger, whatever other tests have left.
        connection.execute(sa.text("truncate oms.jobs cascade"))
        connection.execute(sa.text("analyze oms.jobs"))
    for _ in range(6):
        ledger.claim(raw, [(ticket, 60.0)], "w")
    with engine.begin() as connection:
        ledger.accept(
            connection,
            shop,
            1,
            Requests.of(shop, [{}] * 5000, [None] * 5000),
            sla_minutes=30,
            musts=[False] * 5000,
            requested_by="test",
        )
    assert "Seq Scan on jobs" in prepared_claim(raw)
    statements.run_raw(raw, "refresh_statistics", {})
    assert "Seq Scan on jobs" not in prepared_claim(raw)
    assert "jobs_pkey" in prepared_claim(raw)


def prepared_claim(raw: RawConnection) -> str:
    """The plan that the session has now for the claim that it has prepared."""
    assert raw.prepared is not None
    [name] = [name for name in raw.prepared if name.startswith("hms_claim_")]
    with raw.cursor() as cursor:
        cursor.execute(f"explain execute {name} ('{{1}}', '{{1}}', '{{pick}}', '{{60}}', '{{t}}', 'w', null)")
        return "\n".join(line for (line,) in cursor.fetchall())


def test_hot_statements_use_their_indexes(long_backlog: sa.Engine) -> None:
    """Each uses its index, reads no table of jobs from end to end, and touches few rows."""
    for name, parameters, index, most_rows in PLANS:
        nodes = plan(long_backlog, name, parameters)
        shown = f"{name}: {json.dumps(nodes, indent=1)}"
        assert index in {node.get("Index Name") for node in nodes}, shown
        for node in nodes:
            if node.get("Relation Name") == "jobs":
                assert node["Node Type"] != "Seq Scan", shown
                assert node["Actual Rows"] * node["Actual Loops"] <= most_rows, shown


def test_a_place_keeps_takes_from_passing_dead_rows(long_backlog: sa.Engine, database: str) -> None:
    """What an open transaction keeps in front of a backlog is read without a place, and not with one."""
    reader = connections.connect(
        database, "reader", {"default_transaction_isolation": "repeatable read"}, autocommit=False
    )
    with reader.cursor() as cursor:
        cursor.execute("select 1 from oms.jobs limit 1")
    with long_backlog.begin() as connection:
        connection.exec_driver_sql(
            "update oms.jobs set finished_at = oms.now(), status = 'done' where id <= 10000"
        )
        place = connection.exec_driver_sql("select sla from oms.jobs where id = 10000").scalar_one()
    blocks = [
        max(
            node["Shared Hit Blocks"] + node["Shared Read Blocks"]
            for node in plan(long_backlog, "take", asked)
        )
        for asked in (
            {
                "queue": "shop",
                "count": 1,
                "last_band": 1,
                "band": None,
                "rank": None,
                "due": None,
                "job": None,
            },
            {"queue": "shop", "count": 1, "last_band": 1, "band": 0, "rank": 0, "due": place, "job": 10000},
        )
    ]
    reader.close()
    assert blocks[0] > 500
    assert blocks[1] < 100
