"""Steps in parts and child jobs as the API tells of them."""

from __future__ import annotations

import sqlalchemy as sa

from hms_floor.auth.tokens import Role
from hms_floor.presentation.masking import MASK
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import completions, ledger
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.parts import child_jobs
from hms_oms.jobs.tickets import Ticket
from tests.api.conftest import ApiServer
from tests.conftest import shop_recipes
from tests.oms.test_ledger import claim
from tests.parts.test_split_and_join import fail, parts_of, settle, work

KNOWN = shop_recipes()


def test_a_job_tells_of_its_parts(api_server: ApiServer, engine: sa.Engine, raw: RawConnection) -> None:
    """How many are in which state, with their lives; each has its job and its item, masked like a payload."""
    asked = {"jobType": "shop:boxes:v1", "payload": {"number": 1, "boxes": ["hats", "shoes", "bags"]}}
    name = api_server.ask("POST", "/jobs", asked).json()["jobId"]
    job = int(name.removeprefix("job-"))
    work(raw, KNOWN["shop:boxes:v1"])
    settle(raw)
    work(raw, KNOWN["shop:boxes:v1"], 1)
    ledger.take(raw, "boxes", 1)
    [step] = api_server.get(f"/jobs/{name}")["parts"]
    counts = {status: step[status] for status in ("parts", "waiting", "queued", "done")}
    assert counts == {"parts": 3, "waiting": 1, "queued": 1, "done": 1}
    assert [(part["name"], part["status"]) for part in step["shown"]] == [
        ("1 of 3", "done"),
        ("2 of 3", "queued"),
        ("3 of 3", "waiting"),
    ]
    assert [line["fact"] for line in step["shown"][0]["timeline"]][-1] == "finished"
    because = api_server.get(f"/jobs/{name}/explain")["because"]
    assert because[0].startswith(f"{name} waits for 2 of 3 parts, for ")
    listed = api_server.get(f"/jobs?parent={name}")["jobs"]
    assert [(part["parent"], part["part"]) for part in listed] == [(name, 2), (name, 1), (name, 0)]
    assert [whole["id"] for whole in api_server.get("/jobs?queue=boxes")["jobs"]] == [name]
    # No worker is there.
    assert [risk["id"] for risk in api_server.get("/jobs?atRisk=true")["jobs"]] == [name]
    assert [risk["part"] for risk in api_server.get(f"/jobs?atRisk=true&parent={name}")["jobs"]] == [1, 2]
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.jobs set queue = 'relay' where part is not null")
    # It stands in its own queue, wherever its parts are.
    assert [risk["id"] for risk in api_server.get("/jobs?atRisk=true&queue=boxes")["jobs"]] == [name]
    assert api_server.get("/jobs?atRisk=true&queue=relay")["jobs"] == []
    end = api_server.get(f"/jobs/{name}?forecast=true")
    assert (end["predictedEnd"], end["atRisk"]) == (None, True)
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.jobs set queue = 'boxes' where part is not null")
    stranger = api_server.ask("POST", "/jobs", {**asked, "payload": {"number": 2, "boxes": []}}).json()
    assert api_server.get(f"/jobs?atRisk=true&parent={stranger['jobId']}")["jobs"] == []
    part = listed[0]["id"]
    assert api_server.get(f"/jobs/{part}")["item"] == "bags"
    assert api_server.get(f"/jobs/{part}", Role.VIEWER)["item"] == MASK
    fail(raw, parts_of(engine, job)[2])
    settle(raw)
    assert api_server.ask("POST", f"/jobs/{part}/retry", {}).status_code == 200
    assert api_server.get(f"/jobs/{name}")["status"] == "waiting"


def test_a_job_tells_of_what_it_has_started(api_server: ApiServer, raw: RawConnection) -> None:
    """Before it is started, too; and the explanation counts what it waits for."""
    family = KNOWN["shop:orders:v1"]
    asked = {"jobType": family.type, "payload": {"number": 1, "orders": [1, 2]}}
    name = api_server.ask("POST", "/jobs", asked).json()["jobId"]
    job = int(name.removeprefix("job-"))
    ledger.take(raw, "boxes", 10)
    assert claim(raw, job, "order")
    child_jobs.ask(
        raw, parent=job, step=0, number=0, job_type="shop:order:v1", payload={"number": 1}, options={}
    )
    report = completions.of(Ticket(job, 1, "order"), family, Done(), by_agent=False)
    assert ledger.advance(raw, [report], "w")
    assert api_server.get(f"/jobs/{name}")["childJobs"] == [
        {"id": None, "type": "shop:order:v1", "status": None, "outcome": None, "fault": None}
    ]
    because = api_server.get(f"/jobs/{name}/explain")["because"]
    assert because[0].startswith(f"{name} waits for 1 of 1 job that it has started, for ")
