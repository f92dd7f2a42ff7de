"""Jobs through the API: started, read, filtered, steered, one by one and many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from hms_floor.api import accept
from hms_floor.api.access.guard import Caller
from hms_floor.api.app_state import AppState
from hms_floor.api.requests import filters
from hms_floor.api.transport.problems import Problem
from hms_floor.auth import tokens
from hms_floor.auth.tokens import Badge, Role
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import ledger
from hms_oms.jobs.queries import read
from hms_oms.jobs.tickets import Ticket
from hms_oms.runtime.settings import Settings
from tests.api.conftest import ApiServer, faults
from tests.conftest import shop_recipes

Place = Callable[..., str]


def test_a_job_is_started_once_for_a_key(api_server: ApiServer) -> None:
    """A new job answers 201 with its deadline, the same key 200 with the same job."""
    document = {"jobType": "shop:order:v1", "payload": {"number": 7}, "slaMinutes": 10, "priority": 3}
    first, again = api_server.ask("POST", "/jobs", document), api_server.ask("POST", "/jobs", document)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["jobId"] == again.json()["jobId"]
    assert (first.json()["created"], again.json()["created"]) == (True, False)
    assert (first.json()["status"], first.json()["slaMinutes"], first.json()["key"]) == ("waiting", 10.0, "7")
    got = api_server.get(first.headers["location"])
    assert (got["priority"], got["payload"], got["requestedBy"]) == (3, {"number": 7}, "ann")
    due, began = datetime.fromisoformat(got["slaExpires"]), datetime.fromisoformat(got["createdAt"])
    assert due - began == timedelta(minutes=10)
    assert got["slaExpires"].endswith("Z")
    assert [line["fact"] for line in got["timeline"]] == ["accepted"]


def test_a_key_of_ones_own_and_a_later_start(api_server: ApiServer) -> None:
    """`key` replaces the recipe's, and with `notBefore` the deadline counts from then."""
    document = {"jobType": "shop:order:v1", "payload": {"number": 1}, "key": "mine"}
    made = api_server.ask("POST", "/jobs", document | {"notBefore": "2100-01-01T00:00:00Z"}).json()
    assert made["key"] == "mine"
    assert made["sla"] == "2100-01-01T00:30:00.000000Z"
    past = api_server.ask(
        "POST", "/jobs", document | {"key": "other", "notBefore": "2020-01-01T00:00:00+02:00"}
    )
    assert api_server.get(f"/jobs/{past.json()['jobId']}")["readyAt"] is None


def test_many_starts_at_once_are_each_their_own(api_server: ApiServer) -> None:
    """Requests that share a transaction get their own answers, with keys and without, new and known."""
    badge = api_server.badge()

    async def start_all() -> list[httpx.Response]:
        async with httpx.AsyncClient(
            base_url=api_server.url, headers={"Authorization": f"Bearer {badge}"}, verify=False
        ) as client:
            asked = [{"jobType": "shop:order:v1", "payload": {"number": n // 2 + 1}} for n in range(60)]
            asked += [{"jobType": "shop:return:v1", "payload": {"place": n}} for n in range(20)]
            asked += [{"jobType": "shop:order:v1", "payload": {"number": 0}}] * 5
            return await asyncio.gather(*(client.post("/jobs", json=item) for item in asked))

    answers = asyncio.run(start_all())
    orders, returns, wrong = answers[:60], answers[60:80], answers[80:]
    assert sorted(order.status_code for order in orders) == [200] * 30 + [201] * 30
    assert all(item.json()["key"] == str(n // 2 + 1) for n, item in enumerate(orders))
    assert len({order.json()["jobId"] for order in orders}) == 30
    assert {item.status_code for item in returns} == {201}
    places = [api_server.get(f"/jobs/{item.json()['jobId']}")["payload"]["place"] for item in returns]
    assert places == list(range(20))
    assert {item.status_code for item in wrong} == {422}


@pytest.mark.parametrize(
    ("document", "fields"),
    [
        ({}, {"jobType", "payload"}),
        ({"jobType": "shop:order:v1", "payload": {"number": "x"}}, {"payload.number"}),
        ({"jobType": "no:such:v1", "payload": {}}, {"jobType"}),
        ({"jobType": "shop:order:v1", "payload": {"number": 1}, "slaMinutes": 0}, {"slaMinutes"}),
        ({"jobType": "shop:order:v1", "payload": {"number": 1}, "slaMinutes": "10"}, {"slaMinutes"}),
        ({"jobType": "shop:order:v1", "payload": {"number": 1}, "priority": 1001}, {"priority"}),
        ({"jobType": "shop:order:v1", "payload": {"number": 1}, "notBefore": "tomorrow"}, {"notBefore"}),
        ({"jobType": "shop:order:v1", "payload": {"number": 1}, "notBefore": 7}, {"notBefore"}),
        ({"jobType": "shop:order:v1", "payload": {"number": 1}, "prioriyt": 1}, {"prioriyt"}),
        ({"jobType": "shop:order:v1", "payload": {"number": 1, "phone": "\0"}}, {"payload.phone"}),
        ({"jobType": "shop:order:v1", "payload": {"number": 1}, "key": "x" * 201}, {"key"}),
    ],
)
def test_a_wrong_request_makes_no_job_and_names_its_fields(
    api_server: ApiServer, document: dict[str, object], fields: set[str]
) -> None:
    """422, each field with its reason, and nothing in the ledger."""
    answer = api_server.ask("POST", "/jobs", document)
    assert answer.status_code == 422
    assert set(faults(answer)) == fields
    assert api_server.get("/jobs")["jobs"] == []


def test_jobs_are_listed_page_by_page(api_server: ApiServer, order: Place) -> None:
    """Newest first, each once, with the cursor of the page before, and counted on request."""
    made = [order(number) for number in range(1, 8)]
    first = api_server.get("/jobs", params={"limit": 3, "count": True})
    second = api_server.get("/jobs", params={"limit": 3, "cursor": first["next"]})
    third = api_server.get("/jobs", params={"limit": 3, "cursor": second["next"]})
    listed = [job["id"] for page in (first, second, third) for job in page["jobs"]]
    assert listed == made[::-1]
    assert (first["total"], second["total"], third["next"]) == (7, None, None)


def test_jobs_are_filtered_by_all_that_is_asked(
    api_server: ApiServer, order: Place, engine: sa.Engine
) -> None:
    """By queue, status, type, payload field and time; a field that holds quotes and braces does no harm."""
    made = [order(number, phone=str(number % 2), farm={"county": "Polk"}) for number in range(1, 5)]
    api_server.ask("POST", f"/jobs/{made[0]}/cancel")

    def found(**parameters: object) -> list[str]:
        return [job["id"] for job in api_server.get("/jobs", params=parameters)["jobs"]]

    assert found(queue="shop", status="cancelled") == [made[0]]
    assert found(status=["open", "cancelled"], type="shop:order:v1") == made[::-1]
    assert found(payload=["phone=1", "farm.county=Polk"], status="open") == [made[2]]
    assert found(payload='ph"one}=1') == []
    assert found(payload="phone=' or 1=1 --") == []
    edge = api_server.get(f"/jobs/{made[2]}")["createdAt"]
    assert found(createdFrom=edge) == [made[3], made[2]]
    assert found(createdTo=edge) == [made[1], made[0]]
    assert api_server.ask("GET", "/jobs?queue=nowhere").status_code == 404
    assert set(faults(api_server.ask("GET", "/jobs?statsu=failed"))) == {"statsu"}


def test_payloads_are_not_looked_through_without_end(
    api_server: ApiServer, order: Place, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no index of what they hold: what else is asked must leave few enough jobs."""
    for number in range(1, 4):
        order(number)
    monkeypatch.setattr(filters, "MOST_LOOKED_THROUGH", 2)
    wide = read.Filter(queue="shop", payload=(("number", "1"),))
    with engine.connect() as connection:
        with pytest.raises(Problem) as refused:
            filters.require_narrow(connection, wide)
        assert refused.value.status_code == 422
        filters.require_narrow(connection, replace(wide, payload=()))
        filters.require_narrow(connection, replace(wide, queue="returns"))
        assert not read.exceeds(connection, read.Filter(queue="shop"), 3)


def test_where_the_ledger_is_away_nobody_waits_for_the_others(database: str) -> None:
    """Starts that came together hear so together: it is not tried again for each of them."""
    away, tried = sa.create_engine("postgresql+psycopg2://127.0.0.1:1/away"), []
    sa.event.listen(away, "do_connect", lambda *_: tried.append(True))
    recipe = shop_recipes()["shop:order:v1"]
    caller = Caller(Badge("ann", frozenset(Role), (), "1", 0.0), "POST /jobs", None)

    def request(number: int) -> accept.Request:
        more: dict[str, Any] = {"key": None, "sla_minutes": None, "priority": 0, "ready_at": None}
        return accept.request(recipe, {"number": number}, caller=caller, **more)

    async def start_all() -> list[Any]:
        api_server = accept.Starts(away)
        return await asyncio.gather(
            *(api_server.start(request(number)) for number in range(1, 21)), return_exceptions=True
        )

    assert {type(item) for item in asyncio.run(start_all())} == {sa.exc.OperationalError}
    assert len(tried) == 1


def test_no_statement_goes_on_for_ever(database: str, tmp_path: Path) -> None:
    """Anyone who runs it: each connection of the API has a limit, with those that its start has used."""
    engine = sa.create_engine(database.replace("postgresql://", "postgresql+psycopg2://", 1))
    with engine.connect() as connection:
        connection.execute(sa.text("select"))
    tokens.make_key(tmp_path)

    async def open_api() -> None:
        AppState(Settings(home=tmp_path, database_url=database, broker_url="redis://nowhere"), engine, {})

    asyncio.run(open_api())
    with engine.connect() as connection:
        assert connection.scalar(sa.text("show statement_timeout")) == "15s"
    engine.dispose()


def test_payloads_are_masked_for_those_who_may_not_see_them(
    api_server: ApiServer, order: Place, raw: RawConnection
) -> None:
    """A viewer sees the shape of payload and error, not their values, and cannot ask for them by a filter."""
    job = order(1, phone="515-555-0142", pick={"fail": 1})
    ledger.take(raw, "shop", 1)
    ticket = Ticket(int(job[4:]), 1, "pick")
    ledger.claim(raw, [(ticket, 60.0)], "w")
    ledger.fail(raw, ticket, {"type": "ValueError", "message": "Ann Lee"}, retry_after=None, worker="w")
    answer = api_server.get(f"/jobs/{job}", Role.VIEWER)
    assert answer["payload"] == {"number": "***", "phone": "***", "pick": {"fail": "***"}}
    assert "Ann Lee" not in str(answer) + str(api_server.get(f"/jobs/{job}/explain", Role.VIEWER))
    assert "Ann Lee" in str(api_server.get(f"/jobs/{job}/explain", Role.OPERATOR))
    assert "***" not in str(api_server.get(f"/jobs/{job}", Role.OPERATOR))
    assert api_server.ask("GET", "/jobs?payload=phone%3D1", None, Role.VIEWER).status_code == 403
    request = {"action": "cancel", "filter": {"payload": {"phone": "1"}}, "dryRun": True}
    assert api_server.ask("POST", "/jobs/bulk", request, Role.OPERATOR).status_code == 200


def test_a_job_is_steered(api_server: ApiServer, order: Place, engine: sa.Engine) -> None:
    """Each verb does what it does on the command line, keeps the reason, and says 409 when it is too late."""
    first, second = order(1), order(2)
    assert api_server.ask("POST", f"/jobs/{second}/promote", {"reason": "fair"}).json()["priority"] == 1
    assert [job["id"] for job in api_server.get("/queues/shop/peek")["jobs"]] == [second, first]
    assert api_server.ask("POST", f"/jobs/{first}/priority", {"priority": 9}).json()["priority"] == 9
    assert api_server.ask("POST", f"/jobs/{first}/move", {"queue": "returns"}).json()["queue"] == "returns"
    assert api_server.ask("POST", f"/jobs/{first}/move", {"queue": "nowhere"}).status_code == 404
    at = "2100-01-01T00:00:00.000000Z"
    delayed = api_server.ask("POST", f"/jobs/{first}/delay", {"notBefore": at}).json()
    assert datetime.fromisoformat(delayed["readyAt"]) == datetime.fromisoformat(at)
    assert api_server.ask("POST", f"/jobs/{first}/delay", {"notBefore": None}).json()["readyAt"] is None
    assert api_server.ask("POST", f"/jobs/{first}/cancel").json()["status"] == "cancelled"
    assert api_server.ask("POST", f"/jobs/{first}/cancel").status_code == 409
    assert api_server.ask("POST", f"/jobs/{first}/retry").status_code == 409
    assert api_server.ask("POST", "/jobs/job-999/cancel").status_code == 404
    with engine.connect() as connection:
        lines = [(line.fact, line.who, line.detail) for line in read.event_log(connection, int(second[4:]))]
    assert lines[-1][:2] == ("promoted", "ann")
    assert (lines[-1][2] or {})["reason"] == "fair"


def test_a_job_waits_for_its_applicant(
    api_server: ApiServer, order: Place, forward: Callable[[timedelta], None]
) -> None:
    """It is held, told of, found and explained as such, and due later when the answer is there."""
    job = order(1)
    before = api_server.get(f"/jobs/{job}")
    held = api_server.ask("POST", f"/jobs/{job}/hold", {"reason": "the map is missing"}, Role.OPERATOR).json()
    assert held["heldAt"]
    assert api_server.ask("POST", f"/jobs/{job}/hold").status_code == 409
    assert [item["id"] for item in api_server.get("/jobs?held=true")["jobs"]] == [job]
    assert api_server.get("/queues/shop/peek")["jobs"] == []
    forward(timedelta(hours=5))
    explained = api_server.get(f"/jobs/{job}/explain")
    assert explained["late"] is False
    assert any("(the map is missing)" in sentence for sentence in explained["because"])
    assert any("later by the time that it is held" in sentence for sentence in explained["because"])
    shown = api_server.get(f"/jobs/{job}")
    assert shown["elapsedSeconds"] == pytest.approx(5 * 3600, abs=60)
    assert shown["businessSeconds"] == pytest.approx(0, abs=60)
    after = api_server.ask("POST", f"/jobs/{job}/answer", {}, Role.OPERATOR).json()
    moved = datetime.fromisoformat(after["slaExpires"]) - datetime.fromisoformat(before["slaExpires"])
    assert (after["heldAt"], moved // timedelta(hours=1)) == (None, 5)
    assert api_server.ask("POST", f"/jobs/{job}/answer").status_code == 409
    entries = api_server.get(f"/audit?subject={job}")["entries"]
    assert [entry["action"] for entry in entries if entry["status"] < 400][:2] == [
        "POST /jobs/{id}/answer",
        "POST /jobs/{id}/hold",
    ]
    assert api_server.ask("POST", f"/jobs/{job}/hold", {}, Role.VIEWER).status_code == 403


def test_many_jobs_are_changed_after_a_dry_run(api_server: ApiServer, order: Place) -> None:
    """The dry run counts and changes nothing; the run changes those that can be, and counts the others."""
    made = [order(number) for number in range(1, 6)]
    api_server.ask("POST", f"/jobs/{made[0]}/cancel")
    request = {"action": "cancel", "filter": {"queue": "shop"}, "reason": "withdrawn"}
    dry = api_server.ask("POST", "/jobs/bulk", request | {"dryRun": True}).json()
    assert (dry["matched"], dry["able"], dry["changed"], dry["unchanged"]) == (5, 4, 0, {"cancelled": 1})
    assert api_server.get("/audit?action=POST /jobs/bulk")["entries"] == []
    done = api_server.ask("POST", "/jobs/bulk", request).json()
    assert (done["matched"], done["changed"], done["unchanged"]) == (5, 4, {"cancelled": 1})
    assert sorted(done["jobs"]) == made[1:]
    (line,) = api_server.get("/audit?subject=shop")["entries"]
    assert (line["detail"]["action"], line["detail"]["jobs"], line["reason"]) == ("cancel", 4, "withdrawn")
    again = api_server.ask("POST", "/jobs/bulk", {"action": "retry", "ids": made}).json()
    assert (again["changed"], again["unchanged"]) == (0, {"cancelled": 5})


def test_the_first_of_many_that_are_promoted_is_the_next(api_server: ApiServer, order: Place) -> None:
    """Named jobs are promoted so that the first name ends in front."""
    made = [order(number) for number in range(1, 5)]
    api_server.ask("POST", "/jobs/bulk", {"action": "promote", "ids": [made[2], made[3]]})
    peeked = [job["id"] for job in api_server.get("/queues/shop/peek")["jobs"]]
    assert peeked == [made[2], made[3], made[0], made[1]]


@pytest.mark.parametrize(
    "expected",
    [
        {"action": "cancel"},
        {"action": "cancel", "filter": {}},
        {"action": "cancel", "filter": {"queue": None}},
        {"action": "cancel", "ids": ["job-1"], "filter": {"queue": "shop"}},
        {"action": "move", "ids": ["job-1"]},
        {"action": "shoot", "ids": ["job-1"]},
        {"action": "cancel", "ids": []},
        {"action": "cancel", "ids": ["job-0"]},
    ],
)
def test_a_bulk_change_says_exactly_which_jobs(
    api_server: ApiServer, order: Place, expected: dict[str, object]
) -> None:
    """Neither an empty filter nor a slip means every job."""
    job = order(1)
    assert api_server.ask("POST", "/jobs/bulk", expected).status_code == 422
    assert api_server.get(f"/jobs/{job}")["status"] == "waiting"


def test_an_unknown_job_among_many_stops_all(api_server: ApiServer, order: Place) -> None:
    """404 before anything is changed."""
    job = order(1)
    answer = api_server.ask("POST", "/jobs/bulk", {"action": "cancel", "ids": [job, "job-12345"]})
    assert answer.status_code == 404
    assert api_server.get(f"/jobs/{job}")["status"] == "waiting"


def test_a_bulk_change_needs_the_roles_of_the_single_one(api_server: ApiServer, order: Place) -> None:
    """An operator may cancel many, but not put many in front."""
    job = order(1)
    promote = {"action": "promote", "ids": [job]}
    assert api_server.ask("POST", "/jobs/bulk", promote, Role.OPERATOR).status_code == 403
    assert api_server.ask("POST", "/jobs/bulk", promote, Role.MANAGER).status_code == 200
    cancel = {"action": "cancel", "ids": [job]}
    assert api_server.ask("POST", "/jobs/bulk", cancel, Role.OPERATOR).status_code == 200


def test_an_event_is_signalled_to_a_job(api_server: ApiServer) -> None:
    """Once, with who and why in the audit trail; what the job does not wait for is refused."""
    job = api_server.ask("POST", "/jobs", {"jobType": "shop:visit:v1", "payload": {"number": 1}}).json()[
        "jobId"
    ]
    asked = {"event": "answered", "data": {"answer": "yes"}, "reason": "by telephone"}
    first = api_server.ask("POST", f"/jobs/{job}/signal", asked)
    again = api_server.ask("POST", f"/jobs/{job}/signal", asked)
    assert (first.status_code, first.json()["signalled"]) == (200, True)
    assert (again.status_code, again.json()["signalled"]) == (200, False)
    unknown = api_server.ask("POST", f"/jobs/{job}/signal", {"event": "paid"})
    assert unknown.status_code == 422
    assert "its events are answered" in unknown.text
    [line] = [
        line
        for line in api_server.get("/audit")["entries"]
        if (line["action"], line["status"]) == ("POST /jobs/{id}/signal", 200)
    ]
    assert (line["subject"], line["reason"], line["detail"]) == (job, "by telephone", {"event": "answered"})
    other = api_server.ask("POST", "/jobs", {"jobType": "shop:visit:v1", "payload": {"number": 2}}).json()[
        "jobId"
    ]
    api_server.ask("POST", f"/jobs/{other}/cancel", {})
    refused = api_server.ask("POST", f"/jobs/{other}/signal", {"event": "answered"})
    assert (refused.status_code, "waits for nothing" in refused.text) == (409, True)
