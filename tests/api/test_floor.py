"""Queues, cycles and agents through the API; and that every change leaves its line."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_floor.auth.tokens import Role
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import completions, ledger, reservations
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.tickets import Ticket
from tests.api.conftest import ApiServer, counted, faults
from tests.conftest import shop_recipes, wait_until
from tests.ops.test_ends import measured

ROWS = "number,phone\n"


def test_a_queue_is_paused_resumed_and_limited(api_server: ApiServer) -> None:
    """What is not named stays, null takes a limit away; who and why is kept."""
    paused = api_server.ask("POST", "/queues/shop/pause", {"reason": "stock-taking"}).json()
    assert paused.pop("undo")["id"]
    assert paused == {
        "queue": "shop",
        "status": "paused",
        "recalled": 0,
        "dryRun": False,
        "effect": None,
    }
    [queue] = [item for item in api_server.get("/queues")["queues"] if item["name"] == "shop"]
    assert (queue["status"], queue["pausedBy"], queue["pauseReason"]) == ("paused", "ann", "stock-taking")
    assert api_server.ask("POST", "/queues/shop/resume").json()["changed"] is True
    assert api_server.ask("POST", "/queues/shop/resume", {}).json()["changed"] is False
    limits = api_server.ask("POST", "/queues/shop/limit", {"window": 5, "startsPerMinute": 60}).json()
    assert limits.items() >= {"queue": "shop", "window": 5, "startsPerMinute": 60}.items()
    limits = api_server.ask("POST", "/queues/shop/limit", {"window": None}).json()
    assert limits.items() >= {"queue": "shop", "window": None, "startsPerMinute": 60}.items()
    assert api_server.ask("POST", "/queues/nowhere/pause").status_code == 404


def test_a_change_of_a_queue_is_tried_first(
    api_server: ApiServer, engine: sa.Engine, raw: RawConnection, order: Callable[..., str]
) -> None:
    """A dry run tells the effect, changes nothing and leaves no trace; the filter finds who is at risk."""
    for number in range(1, 4):
        order(number)
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.jobs set sla = oms.now() + interval '230 s'")
        connection.exec_driver_sql("update oms.jobs set due = sla")
    assert api_server.ask("POST", "/queues/shop/pause", {"dryRun": True}).json()["effect"] is None
    measured(engine, raw, slots=1)
    paused = api_server.ask("POST", "/queues/shop/pause", {"dryRun": True}).json()
    assert (paused["status"], paused["dryRun"], paused["undo"]) == ("open", True, None)
    assert (paused["effect"]["before"]["late"], paused["effect"]["intoRiskJobs"]) == (0, 3)
    limit = api_server.ask("POST", "/queues/shop/limit", {"window": 0, "dryRun": True}).json()
    assert (limit["window"], limit["effect"]["after"]["late"]) == (0, 3)
    policy = api_server.ask("POST", "/queues/shop/policy", {"policy": "fifo", "dryRun": True}).json()
    assert (policy["policy"], policy["effect"]["after"]["onTime"]) == ("fifo", 1.0)
    sla = api_server.ask("PUT", "/queues/shop/sla", {"minutes": 29, "dryRun": True}).json()
    assert sla["effect"]["after"]["late"] == 1
    bulk = {"action": "cancel", "ids": ["job-1"], "dryRun": True}
    [effect] = api_server.ask("POST", "/jobs/bulk", bulk).json()["effects"]
    assert (effect["before"]["open"], effect["after"]["open"]) == (3, 2)
    counted = api_server.ask("POST", "/jobs/bulk", bulk | {"forecast": False}).json()
    assert (counted["able"], counted["effects"], counted["unmeasured"]) == (1, [], [])
    forecast = api_server.get("/queues/shop/forecast?workers=3")
    assert (forecast["present"]["slots"], forecast["asked"]["slots"], forecast["slotsNeeded"]) == (1, 3, 1)
    assert forecast["asked"]["doneAt"] < forecast["present"]["doneAt"]
    asked = {"jobType": "shop:order:v1", "payload": {"number": 9}, "slaMinutes": 10}
    quoted = api_server.ask("POST", "/jobs?quote=true", asked)
    assert (quoted.status_code, quoted.json()["holds"], quoted.json()["othersLate"]) == (200, True, 0)
    quoted = api_server.ask("POST", "/jobs?quote=true", asked | {"slaMinutes": 1}).json()
    assert (quoted["holds"], quoted["queue"]) == (False, "shop")
    assert quoted["deadline"] < quoted["earliest"]
    assert api_server.ask("POST", "/jobs?quote=true", asked | {"payload": {}}).status_code == 422
    later = asked | {"notBefore": "2100-01-01T00:00:00Z"}
    assert api_server.ask("POST", "/jobs?quote=true", later).status_code == 422
    assert api_server.get("/jobs?count=true")["total"] == 3
    held = api_server.ask("POST", "/queues/shop/policy", {}).json()
    assert (held["policy"], api_server.get("/changes")["changes"]) == ("most-on-time", [])
    assert api_server.get("/audit?subject=shop")["entries"] == []
    none = api_server.get("/jobs?atRisk=true")
    assert (none["jobs"], none["next"], none["total"]) == ([], None, 0)
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.work_estimates set mean = 120, upper = 130")
    # What was foreseen is kept for a moment.
    wait_until(lambda: api_server.get("/jobs?atRisk=true")["total"] == 2, "two jobs to be at risk")
    page = api_server.get("/jobs?atRisk=true&limit=1&order=lateness")
    assert ([job["id"] for job in page["jobs"]], page["next"], page["total"]) == (["job-3"], "1", 2)
    assert page["jobs"][0]["predictedEnd"] > page["jobs"][0]["slaExpires"]
    again = api_server.get("/jobs?atRisk=true&limit=1&order=lateness&cursor=1")
    assert ([job["id"] for job in again["jobs"]], again["next"]) == (["job-2"], None)
    assert [job["id"] for job in api_server.get("/jobs?atRisk=true")["jobs"]] == ["job-2", "job-3"]
    listed = api_server.get("/jobs?forecast=true")["jobs"]
    assert [job["atRisk"] for job in listed] == [True, True, False]
    assert api_server.get("/jobs/job-3?forecast=true")["atRisk"] is True
    # The whole queue is looked at only if somebody asks.
    plain = api_server.get("/jobs/job-3")
    assert (plain["predictedEnd"], plain["atRisk"], plain["forecastAt"]) == (None, None, None)
    assert api_server.ask("GET", "/jobs?order=deadline").status_code == 422


def test_the_policy_of_a_queue_is_set_told_and_undone(api_server: ApiServer) -> None:
    """By a manager, with the reason in the audit trail; who only asks changes nothing."""
    held = api_server.ask("POST", "/queues/shop/policy", {}).json()
    assert (held["policy"], held["setBy"], held["setAt"], held["undo"]) == ("most-on-time", None, None, None)
    held = api_server.ask("POST", "/queues/shop/policy", {"policy": "fifo", "reason": "in turn"}).json()
    assert (held["policy"], held["setBy"]) == ("fifo", "ann")
    [entry] = api_server.get("/audit?subject=shop&limit=1")["entries"]
    assert (entry["reason"], entry["detail"]) == ("in turn", {"before": "most-on-time", "policy": "fifo"})
    [queue] = [item for item in api_server.get("/queues")["queues"] if item["name"] == "shop"]
    assert (queue["policy"], queue["policySetBy"], queue["givenUp"]) == ("fifo", "ann", 0)
    assert api_server.ask("POST", f"/changes/{held['undo']['id']}/undo", {}).status_code == 200
    held = api_server.ask("POST", "/queues/shop/policy", {}).json()
    assert (held["policy"], held["setBy"]) == ("most-on-time", None)
    assert api_server.ask("POST", "/queues/shop/policy", {"policy": "lifo"}).status_code == 422
    assert api_server.ask("POST", "/queues/shop/policy", {}, Role.OPERATOR).status_code == 403


def test_the_office_hours_of_a_queue_are_set_told_and_undone(api_server: ApiServer) -> None:
    """Deadlines and their forecast go by them; faults name the field, and null takes the hours away."""
    before = api_server.get("/queues/shop/calendar")
    assert (before["hours"], before["openNow"], before["slaMinutes"]) == (None, None, 30.0)
    hours = {"hours": "mon-fri 8:00-16:00", "timezone": "America/Chicago", "holidays": "US-IL"}
    held = api_server.ask("PUT", "/queues/shop/calendar", hours | {"reason": "office"}).json()
    assert (held["hours"], held["setBy"], held["holidays"]) == ("Mo-Fr 08:00-16:00", "ann", "US-IL")
    assert api_server.get("/queues/shop/calendar")["hours"] == held["hours"]
    words = "Mo-Fr 08:00-16:00 (America/Chicago), not on holidays of US-IL"
    [entry] = api_server.get("/audit?subject=shop&limit=1")["entries"]
    assert (entry["reason"], entry["detail"]) == ("office", {"before": None, "calendar": words})
    [queue] = [item for item in api_server.get("/queues")["queues"] if item["name"] == "shop"]
    assert queue["calendar"] == words
    order = {"jobType": "shop:order:v1", "payload": {"number": 1}}
    later = api_server.ask("POST", "/jobs", order | {"notBefore": "2027-11-24T21:45:00Z"}).json()
    assert later["sla"] == "2027-11-26T14:15:00.000000Z"
    job = api_server.get(f"/jobs/{later['jobId']}")
    assert (job["elapsedSeconds"], job["businessSeconds"]) == (0, 0)
    path = "/queues/shop/calendar"
    assert set(faults(api_server.ask("PUT", path, {"hours": "Mo 8-16"}))) == {"hours"}
    wrong = {"hours": "Mo 08:00-16:00", "timezone": "Chicago", "holidays": "Illinois"}
    assert set(faults(api_server.ask("PUT", path, wrong))) == {"timezone", "holidays"}
    api_server.ask("PUT", "/queues/shop/sla", {"minutes": 525600})
    assert set(faults(api_server.ask("PUT", path, {"hours": "We 23:59-24:00"}))) == {"hours"}
    assert api_server.ask("POST", f"/changes/{held['undo']['id']}/undo", {}).status_code == 200
    assert api_server.get("/queues/shop/calendar")["hours"] is None
    assert api_server.ask("PUT", path, {"hours": None}).json()["undo"] is None
    assert api_server.ask("PUT", path, hours, Role.OPERATOR).status_code == 403
    assert api_server.ask("PUT", "/queues/nowhere/calendar", hours).status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "before"),
    [("calendar", {"hours": None}, "Mo-Fr 09:00-17:00 (UTC)"), ("sla", {"minutes": 7}, 5.0)],
)
def test_what_was_before_is_what_somebody_else_has_just_set(
    api_server: ApiServer, engine: sa.Engine, path: str, body: dict[str, Any], before: object
) -> None:
    """A change that waits for another one tells in the audit trail of that as what was before."""
    with engine.connect() as connection, ThreadPoolExecutor(1) as pool:
        with connection.begin():
            connection.exec_driver_sql(
                "with calendar as (insert into oms.calendars (hours, timezone) values"
                " ('Mo-Fr 09:00-17:00', 'UTC') on conflict do nothing returning id)"
                " update oms.queues set calendar_id = calendar.id from calendar where name = 'shop'"
            )
            connection.exec_driver_sql(
                "insert into oms.slas (queue, minutes, set_by) values ('shop', 5, 'bob')"
            )
            answer = pool.submit(api_server.ask, "PUT", f"/queues/shop/{path}", body)
            wait_until(lambda: _is_waited_for(engine), "the second change to wait for the first")
        assert answer.result(15).status_code == 200
    [entry] = api_server.get("/audit?subject=shop&limit=1")["entries"]
    assert entry["detail"]["before"] == before


def _is_waited_for(engine: sa.Engine) -> bool:
    query = "select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    with engine.connect() as connection:
        return bool(connection.exec_driver_sql(query).rowcount)


def test_an_sla_is_tried_set_and_remembered(api_server: ApiServer) -> None:
    """A dry run sets nothing; the history has who, why and since when, newest first."""
    dry = api_server.ask("PUT", "/queues/shop/sla", {"minutes": 5, "dryRun": True}).json()
    assert (dry["before"], dry["minutes"], dry["dryRun"]) == (30.0, 5.0, True)
    assert api_server.get("/audit?subject=shop")["entries"] == []
    assert [item["minutes"] for item in api_server.get("/queues/shop/sla")["history"]] == [30.0]
    api_server.ask("PUT", "/queues/shop/sla", {"minutes": 5, "reason": "fair"})
    newest, oldest = api_server.get("/queues/shop/sla")["history"]
    assert (newest["minutes"], newest["setBy"], newest["reason"]) == (5.0, "ann", "fair")
    assert oldest["setBy"] == "recipe"
    assert {sla["queue"]: sla["minutes"] for sla in api_server.get("/sla")["slas"]}["shop"] == 5.0
    assert set(faults(api_server.ask("PUT", "/queues/shop/sla", {"minutes": -1}))) == {"minutes"}


def lines(*documents: Any) -> bytes:
    """Documents as JSON lines; what is text already stays as it is."""
    return "\n".join(
        document if isinstance(document, str) else json.dumps(document) for document in documents
    ).encode()


def test_a_file_of_lines_is_taken_in(api_server: ApiServer) -> None:
    """Each line is a job, a known one a duplicate, a bad one refused with its line, field and reason."""
    bad = ['{"number": 0}', '{"number": "x"', "[1]", '{"number": NaN}', '{"number": 3, "phone": "\\u0000"}']
    content = lines({"number": 1}, {"number": 2}, "", {"number": 1}, *bad)
    path = "/cycles?jobType=shop:order:v1&name=orders.ndjson&slaMinutes=5"
    answer = api_server.ask("POST", path, content=content, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 201, answer.text
    document = answer.json()
    assert (document["accepted"], document["duplicates"], document["refused"]) == (2, 1, 5)
    assert [row["line"] for row in document["refusedRows"]] == [5, 6, 7, 8, 9]
    report = api_server.get(f"/cycles/{document['batch']}")
    assert (report["name"], report["progress"]["waiting"], report["slaMinutesRange"]) == (
        "orders.ndjson",
        2,
        [5.0, 5.0],
    )
    assert [cycle["batch"] for cycle in api_server.get("/cycles")["cycles"]] == [document["batch"]]
    assert api_server.get("/jobs", params={"batch": document["batch"], "count": True})["total"] == 2


def test_a_file_that_is_no_list_of_requests_is_refused(api_server: ApiServer) -> None:
    """A recipe without columns reads no CSV, and there is no cycle of it."""
    headers = {"Content-Type": "text/csv"}
    answer = api_server.ask("POST", "/cycles?jobType=shop:order:v1", content=b"a,b\n1,2\n", headers=headers)
    assert set(faults(answer)) == {"jobType"}
    assert api_server.get("/cycles")["cycles"] == []


def test_a_file_that_breaks_off_leaves_what_had_come(api_server: ApiServer, engine: sa.Engine) -> None:
    """Whole pages are accepted, the cycle stays open, and the trail says so."""

    def content() -> Iterator[bytes]:
        for number in range(1, 3 * accept.PAGE):
            yield json.dumps({"number": number, "note": "x" * 100}).encode() + b"\n"
        raise ConnectionError

    headers = {"Content-Type": "application/x-ndjson"}
    with pytest.raises(ConnectionError):
        api_server.ask("POST", "/cycles?jobType=shop:order:v1", content=content(), headers=headers)

    def noted() -> Any:
        with engine.connect() as connection:
            return connection.execute(
                sa.text("select status, detail from oms.audit where action = 'POST /cycles' order by id")
            ).all()

    [first, *_] = wait_until(noted, "the cycle to be noted")
    assert first.status == 400
    assert first.detail["accepted"] in (accept.PAGE, 2 * accept.PAGE)
    assert api_server.get("/cycles")["cycles"][0]["closedAt"] is None


def hand_over(api_server: ApiServer, raw: RawConnection) -> str:
    """Bring a return to the step that is an agent's, and return its id."""
    answer = api_server.ask("POST", "/jobs", {"jobType": "shop:return:v1", "payload": {"secret": "Ann"}})
    job = answer.json()["jobId"]
    ledger.take(raw, "returns", 10)
    ticket = Ticket(int(job[4:]), 1, "receive")
    [claimed] = ledger.claim(raw, [(ticket, 60.0)], "w")
    done = completions.of(claimed, _recipe(), Done({"ok": 1}), by_agent=False)
    ledger.complete(raw, [done], "w")
    return str(job)


def _recipe() -> Any:

    return shop_recipes()["shop:return:v1"]


def test_an_agent_reserves_extends_and_reports(api_server: ApiServer, raw: RawConnection) -> None:
    """It sees payload and results, keeps its lease, and its report moves the job on; a late one is void."""
    job = hand_over(api_server, raw)
    agent = {"badge": api_server.badge(Role.AGENT, queues=["returns-desk"], actor="desk")}
    answer = api_server.ask("POST", "/queues/returns-desk/reserve", {"lease": 60}, **agent).json()
    assert (answer["jobId"], answer["step"], answer["payload"]) == (job, "judge", {"secret": "Ann"})
    assert answer["results"] == {"receive": {"ok": 1}}
    assert api_server.ask("POST", "/queues/returns-desk/reserve", **agent).status_code == 204
    place = f"/reservations/{answer['reservationId']}"
    longer = api_server.ask("POST", f"{place}/extend", {"lease": 600}, **agent).json()
    assert longer["leaseUntil"] > answer["leaseUntil"]
    other = {"badge": api_server.badge(Role.AGENT, queues=["returns-desk"], actor="somebody")}
    assert api_server.ask("POST", f"{place}/report", {"status": "done"}, **other).status_code == 403
    wrong = {"status": "done", "result": {}, "skipTo": "receive"}
    assert set(faults(api_server.ask("POST", f"{place}/report", wrong, **agent))) == {"skipTo"}
    done = {"status": "done", "result": {"granted": True}, "outcome": "granted"}
    assert api_server.ask("POST", f"{place}/report", done, **agent).json()["status"] == "waiting"
    assert api_server.get(f"/jobs/{job}")["results"]["judge"] == {"granted": True}
    assert api_server.ask("POST", f"{place}/report", done, **agent).status_code == 409
    assert api_server.ask("POST", f"{place}/extend", **agent).status_code == 409


def test_an_agent_may_fail_or_come_again(api_server: ApiServer, raw: RawConnection) -> None:
    """A retry goes back to the desk, a failure ends the job; both need a reason."""
    job = hand_over(api_server, raw)

    def report(document: dict[str, Any]) -> httpx.Response:
        body = api_server.ask("POST", "/queues/returns-desk/reserve").json()
        return api_server.ask("POST", f"/reservations/{body['reservationId']}/report", document)

    assert report({"status": "retry", "reason": "lunch"}).json()["status"] == "waiting"
    assert report({"status": "failed", "reason": "torn"}).json()["status"] == "failed"
    assert api_server.get(f"/jobs/{job}")["error"]["message"] == "torn"
    answer = api_server.ask("POST", "/reservations/job-1.1.judge/report", {"status": "failed"})
    assert set(faults(answer)) == {"failed.reason"} or set(faults(answer)) == {"reason"}


def in_line(api_server: ApiServer) -> float:
    """How many agents wait at this API."""
    return counted(api_server).get('hms_open{kind="wait"}', 0.0)


def test_agents_wait_in_line_and_each_job_goes_to_one(api_server: ApiServer, raw: RawConnection) -> None:
    """A hundred agents wait; three jobs come one by one and go to three of them, the others wait on."""
    badge = api_server.badge(Role.AGENT, queues=["returns-desk"])
    rows: list[tuple[float, dict[str, Any]]] = []

    async def wait_all() -> list[int]:
        limits = httpx.Limits(max_connections=200)
        headers = {"Authorization": f"Bearer {badge}"}
        async with httpx.AsyncClient(
            base_url=api_server.url, headers=headers, limits=limits, timeout=60, verify=False
        ) as client:

            async def one() -> int:
                answer = await client.post("/queues/returns-desk/reserve", json={"wait": 6})
                if answer.status_code == 200:
                    rows.append((time.monotonic(), answer.json()))
                return answer.status_code

            return list(await asyncio.gather(*(one() for _ in range(100))))

    statuses: list[int] = []
    waiting = threading.Thread(target=lambda: statuses.extend(asyncio.run(wait_all())))
    waiting.start()
    wait_until(lambda: in_line(api_server) == 100, "all to stand in line")
    made = []
    for number in range(3):
        made.append(hand_over(api_server, raw))
        arrival = time.monotonic()
        wait_until(lambda number=number: len(rows) > number, "an agent to get the job", 5.0)
        assert rows[number][0] - arrival < 1.5
    waiting.join()
    assert sorted(statuses) == [200] * 3 + [204] * 97
    assert sorted(item["jobId"] for _, item in rows) == sorted(made)


def test_agents_are_served_at_once_after_the_listener_has_lost_its_connection(
    api_server: ApiServer, raw: RawConnection, engine: sa.Engine
) -> None:
    """It listens again, and hears: nobody waits for the look that is taken every two seconds."""
    listeners = "select pid from pg_stat_activity where application_name = 'hms floor listener'"

    def pids() -> set[int]:
        with engine.connect() as connection:
            here = sa.text(f"{listeners} and datname = current_database()")
            return set(connection.scalars(here))

    before = pids()
    with engine.connect() as connection:
        for pid in before:
            connection.execute(sa.text("select pg_terminate_backend(:pid)"), {"pid": pid})
    wait_until(lambda: len(pids() - before) == len(before), "the APIs to listen again", 10.0)
    badge, took = api_server.badge(Role.AGENT), []
    for _ in range(3):
        answers: list[float] = []

        def reserve(answers: list[float] = answers) -> None:
            body = {"wait": 30}
            assert (
                api_server.ask("POST", "/queues/returns-desk/reserve", body, badge=badge).status_code == 200
            )
            answers.append(time.monotonic())

        waiting = threading.Thread(target=reserve)
        waiting.start()
        wait_until(
            lambda: counted(api_server).get('hms_open{kind="wait"}') == 1, "the agent to stand in line"
        )
        hand_over(api_server, raw)
        arrival = time.monotonic()
        waiting.join()
        took.append(answers[0] - arrival)
    assert sorted(took)[1] < 0.5


def test_a_job_that_comes_for_an_agent_who_has_gone_is_there_for_the_next(
    api_server: ApiServer, raw: RawConnection
) -> None:
    """Anyone who hangs up while waiting holds nothing."""
    badge = api_server.badge(Role.AGENT, queues=["returns-desk"])
    body = b'{"wait": 30}'
    head = f"POST /queues/returns-desk/reserve HTTP/1.1\r\nHost: API\r\nAuthorization: Bearer {badge}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    for _ in range(5):
        with api_server.connect() as line:
            line.sendall(head.encode() + body)
    job = hand_over(api_server, raw)

    def reserved() -> Any:
        answer = api_server.ask("POST", "/queues/returns-desk/reserve", {"wait": 1})
        return answer.status_code == 200 and answer.json()["jobId"]

    assert wait_until(reserved, "the job to be there", 15.0) == job
    # Their lines of the audit trail are not to come among those of the next test.
    wait_until(lambda: not counted(api_server).get('hms_open{kind="wait"}'), "those who hung up to be gone")


def test_every_change_leaves_its_line_and_so_does_each_refusal(
    api_server: ApiServer, raw: RawConnection
) -> None:
    """Who, with which roles, what, whom it concerned, why, from where, and what came of it."""
    api_server.ask("POST", "/queues/shop/pause", {"reason": "fair"}, Role.MANAGER)
    api_server.ask("POST", "/queues/shop/pause", {"reason": "mine"}, Role.VIEWER)
    api_server.ask("POST", "/jobs", {"jobType": "shop:order:v1", "payload": {"number": "Ann Lee"}})
    api_server.ask("POST", "/jobs", {"jobType": "shop:order:v1", "payload": {"number": 1}})
    started, refused, forbidden, paused = api_server.get("/audit")["entries"]
    assert (paused["actor"], paused["roles"], paused["action"]) == (
        "ann",
        ["manager"],
        "POST /queues/{queue}/pause",
    )
    assert (paused["subject"], paused["reason"], paused["status"]) == ("shop", "fair", 200)
    assert paused["source"] == "127.0.0.1"
    assert (forbidden["roles"], forbidden["status"], forbidden["subject"]) == (["viewer"], 403, "shop")
    assert (refused["status"], refused["detail"]) == (422, {"refused": "payload.number"})
    assert (started["status"], started["subject"]) == (201, "job-1")
    page = api_server.get("/audit", params={"limit": 2})
    rest = api_server.get("/audit", params={"limit": 2, "cursor": page["next"]})["entries"]
    assert [item["id"] for item in rest] == [forbidden["id"], paused["id"]]
    answer = api_server.get(
        "/audit", params={"subject": "shop", "from": paused["at"], "action": paused["action"]}
    )
    assert len(answer["entries"]) == 2


def test_a_badge_is_issued_shown_once_and_listed(api_server: ApiServer) -> None:
    """The token opens the API in the name it was issued for, and is in no list and no trail."""
    request = {"actor": "desk", "roles": ["agent"], "queues": ["returns-desk"], "hours": 1, "reason": "temp"}
    issued = api_server.ask("POST", "/badges", request)
    assert issued.status_code == 201
    me = api_server.ask("GET", "/me", badge=issued.json()["badge"]).json()
    assert (me["actor"], me["roles"], me["queues"]) == ("desk", ["agent"], ["returns-desk"])
    answer = json.dumps([api_server.get("/badges"), api_server.get("/audit")])
    assert issued.json()["badge"].split(".")[2] not in answer
    assert set(faults(api_server.ask("POST", "/badges", request | {"hours": 0}))) == {"hours"}


def test_the_lease_of_an_agent_ends_by_the_clock_of_the_ledger(
    api_server: ApiServer, raw: RawConnection, forward: Callable[[timedelta], None]
) -> None:
    """What one agent has let slip is not lost: its late report finds that the reservation does not hold."""
    hand_over(api_server, raw)
    answer = api_server.ask("POST", "/queues/returns-desk/reserve", {"lease": 10}).json()
    forward(timedelta(seconds=60))
    held = reservations.held(raw, Ticket.parse(answer["reservationId"]))
    assert held.lease_until < datetime.now(UTC) + timedelta(seconds=30)
