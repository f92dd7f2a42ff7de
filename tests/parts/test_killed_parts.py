"""Parts on real workers: whatever dies meanwhile, each is done, and their job goes on once."""

from __future__ import annotations

import sqlalchemy as sa

from hms_act import accept
from hms_oms.jobs.queries import read
from hms_oms.jobs.queries.read import Filter
from tests.conftest import Programs, shop_recipes, wait_until
from tests.crash.test_crashes import executions
from tests.oms.test_ledger import facts, look

KNOWN = shop_recipes()
BOXES, ORDERS = KNOWN["shop:boxes:v1"], KNOWN["shop:orders:v1"]


def test_parts_survive_kills(programs: Programs, engine: sa.Engine) -> None:
    """Worker and dispatcher are killed amid parts, and two steps kill theirs; all is done once."""
    boxes = [{"sleep": 0.1}] * 10 + [{"fail": 1}, {"die": "self"}]
    with engine.begin() as connection:
        asked = [{"number": number, "boxes": boxes} for number in (1, 2)]
        jobs = [accept.start_job(connection, BOXES, payload, requested_by="test").job.id for payload in asked]
    dispatcher, worker = programs.dispatcher("act"), programs.worker("first", pool="threads", slots=3)
    wait_until(lambda: done(engine) >= 4, "some parts to be done", 40)
    worker.kill()
    worker.wait()
    dispatcher.kill()
    dispatcher.wait()
    assert {look(engine, job).step_name for job in jobs} == {"box"}
    with engine.begin() as connection:
        asked = {"number": 9, "orders": [8, 9]}
        orders = accept.start_job(connection, ORDERS, asked, requested_by="test").job.id
    programs.dispatcher("act2")
    programs.worker("second", slots=2)
    every = [*jobs, orders]
    wait_until(lambda: all(look(engine, job).status == "done" for job in every), "all to be done", 60)
    for job in jobs:
        results = look(engine, job).results
        assert [box["box"] for box in results["box"]] == list(range(len(boxes)))
        assert results["check"]["weight"] == {"branch": "weight", "boxes": len(boxes)}
        assert [facts(engine, job).count(fact) for fact in ("split", "joined", "finished")] == [2, 2, 1]
        with engine.connect() as connection:
            parts = read.find(connection, Filter(parent=job), limit=None)
        assert {(part.status, facts(engine, part.id).count("finished")) for part in parts} == {("done", 1)}
    started = look(engine, orders).results["orders"]
    assert [(child["status"], child["results"]["send"]["token"]) for child in started] == [
        ("done", f"{child['job']}.3") for child in started
    ]
    assert executions(engine)[orders, "order"] == 2
    assert [step for _, step in executions(engine)].count("send") == len(every) + len(started)
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from oms.ended_parts")) == 0
        assert read.count(connection, Filter(queue="boxes")) == len(every)
        assert read.count(connection, Filter(queue="shop")) == len(started)


def done(engine: sa.Engine) -> int:
    """How many parts are done."""
    query = "select count(*) from oms.jobs where part is not null and status = 'done'"
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(query)) or 0)
