"""Real workers and a real dispatcher run jobs end to end."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_oms.broker import waiting_tickets as redis_tickets
from hms_oms.jobs.queries import read
from hms_oms.jobs.records import Job
from hms_oms.recipes.recipes import Recipe
from tests.conftest import Programs, wait_until


def order(engine: sa.Engine, shop: Recipe, number: int, **wishes: Any) -> int:
    """Accept an order and return its job's number."""
    with engine.begin() as connection:
        payload = {"number": number, **wishes}
        return accept.start_job(connection, shop, payload, requested_by="test").job.id


def ended(engine: sa.Engine, job: int) -> Job:
    """Wait until a job has ended, and return it."""

    def look() -> Job | None:
        with engine.connect() as connection:
            result = read.get(connection, job)
        return result if result.finished_at else None

    result: Job = wait_until(look, f"job-{job} to end", 40)
    return result


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_every_way_a_step_can_end(programs: Programs, engine: sa.Engine, shop: Recipe, pool: str) -> None:
    """Under each pool: done, retried, failed for good, rejected and skipped jobs end as they should."""
    plain = order(engine, shop, 1, phone="+12025550123")
    stumbling = order(engine, shop, 2, pack={"fail": 2})
    hopeless = order(engine, shop, 3, pack={"fail": 9})
    rejected = order(engine, shop, 4, pick={"reject": "not for sale"})
    short = order(engine, shop, 5, pick={"skip_to": "send", "effect": True})
    later = order(engine, shop, 6, pick={"later": 1})
    programs.dispatcher()
    programs.worker(pool=pool)

    done = ended(engine, plain)
    assert (done.status, set(done.results)) == ("done", {"pick", "pack", "send"})
    assert done.results["send"] == {"token": f"job-{plain}.3", "before": ["pack", "pick"]}
    assert ended(engine, stumbling).status == "done"
    failed = ended(engine, hopeless)
    assert (failed.status, failed.failures) == ("failed", 3)
    assert failed.error is not None
    assert failed.error["type"] == "ValueError"
    assert "order 3 does not fit" in failed.error["message"]
    assert (ended(engine, rejected).status, ended(engine, rejected).outcome) == ("done", "not for sale")
    skipped = ended(engine, short)
    assert (skipped.status, skipped.outcome, set(skipped.results)) == ("done", "short cut", {"pick", "send"})
    assert ended(engine, later).status == "done"
    with engine.connect() as connection:
        texts = connection.execute(sa.text("select job_id, recipient from oms.messages")).all()
        effects = connection.execute(sa.text("select job, step from public.effects")).all()
    assert texts == [(plain, "+12025550123")]
    assert effects == [(short, "pick")]
    # What a step raised may quote the payload: it stays in the ledger.
    assert "does not fit" not in programs.said("w")
    lines = [json.loads(line) for line in programs.said("w").splitlines() if line.startswith("{")]
    of_it = [line for line in lines if line.get("job") == f"job-{hopeless}" and line.get("queue") == "shop"]
    own = [(line["step"], line["attempt"], line["runs"]) for line in of_it if line["event"] == "works"]
    assert own == [("pick", 1, 1), ("pack", 1, 1), ("pack", 2, 2), ("pack", 3, 3)]
    # Celery's own lines, written after a step has returned, name it as well.
    assert [line["attempt"] for line in of_it if "StepFailed" in line["event"]] == [1, 2, 3]
    assert all(line["worker"].startswith("w@here/") for line in of_it)


def test_redis_holds_tickets_only(programs: Programs, engine: sa.Engine, shop: Recipe, broker: str) -> None:
    """While jobs stand in the window, no key of Redis holds a word of their payload."""
    from hms_act.broker_watch import BrokerWatch
    from hms_act.dispatcher import Dispatcher, make_app
    from hms_act.recovery import Recovery
    from hms_oms.database import connections
    from hms_oms.jobs import commands

    with engine.begin() as connection:
        commands.limit(connection, "shop", window=50, starts_per_minute=None, who="test")
    for number in range(20):
        order(engine, shop, number + 1, name="Ermintrude Quux", phone="+12025550123")
    raw = connections.connect(str(programs.environment["HMS_DATABASE_URL"]), "test")
    client = redis_tickets.client(broker)
    Dispatcher(make_app(broker), engine, raw, Recovery(raw, client), BrokerWatch(broker)).turn()
    raw.close()

    assert len(redis_tickets.tickets(client, ["shop"])) == 20
    dump = b"".join(
        piece
        for key in client.scan_iter()
        if client.type(key) == b"list"
        for piece in client.lrange(key, 0, -1)
    )
    bodies = [body_of(message) for message in client.lrange("shop\x06\x169", 0, -1)]
    assert len(bodies) == 20
    for secret in ("Ermintrude", "2025550123"):
        assert secret.encode() not in dump
        assert not [body for body in bodies if secret in body]
    assert all(json.loads(body)[0][0].startswith("job-") for body in bodies)


def body_of(message: bytes) -> str:
    """The body of a message, which says itself how it is written."""
    document = json.loads(message)
    body: str = document["body"]
    encoded = document["properties"]["body_encoding"] == "base64"
    return base64.b64decode(body).decode() if encoded else body


def test_a_moved_job_runs_where_it_was_moved(
    programs: Programs, engine: sa.Engine, shop: Recipe, broker: str
) -> None:
    """The message goes into the queue that the ledger says, not the one of the recipe."""
    from hms_act.broker_watch import BrokerWatch
    from hms_act.dispatcher import Dispatcher, make_app
    from hms_act.recovery import Recovery
    from hms_oms.database import connections
    from hms_oms.jobs import commands

    job = order(engine, shop, 1)
    with engine.begin() as connection:
        commands.move(connection, [job], "returns", who="boss", reason=None)
        commands.limit(connection, "returns", window=5, starts_per_minute=None, who="test")
    raw = connections.connect(str(programs.environment["HMS_DATABASE_URL"]), "test")
    client = redis_tickets.client(broker)
    client.lpush("returns", b"not a message of ours")
    Dispatcher(make_app(broker), engine, raw, Recovery(raw, client), BrokerWatch(broker)).turn()
    raw.close()
    assert redis_tickets.tickets(client, ["shop"]) == set()
    assert f"job-{job}.1.pick" in redis_tickets.tickets(client, ["returns"])
