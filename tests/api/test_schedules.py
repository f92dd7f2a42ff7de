"""Schedules over the API: who may do what, what is wrong with one, and what is shown of it."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from hms_floor.auth.tokens import Role
from hms_oms.database import connections
from hms_oms.schedules import runs, store
from tests.api.conftest import ApiServer, faults

DAILY = {"name": "daily", "jobType": "shop:order:v1", "cron": "0 6 * * MON-FRI", "payload": {"number": 7}}


def add(api_server: ApiServer, **more: Any) -> Any:
    """Add a schedule, which must go well."""
    answer = api_server.ask("POST", "/schedules", DAILY | more, Role.MANAGER)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_schedule_is_added_and_shown(api_server: ApiServer) -> None:
    """With its next runs by the office's clock; the payload is masked for those who may not see payloads."""
    added = add(api_server)
    assert added["timezone"] == "America/Chicago"
    assert added["words"] == "At 06:00 on Monday through Friday"
    assert len(added["next"]) == 5
    assert added["last"] is None
    [listed] = api_server.get("/schedules", Role.OPERATOR)["schedules"]
    assert (listed["payload"], listed["queue"]) == ({"number": 7}, "shop")
    assert api_server.get("/schedules/daily", Role.VIEWER)["payload"] == {"number": "***"}
    [line] = api_server.get("/audit?subject=daily")["entries"]
    assert (line["action"], line["detail"]["cron"]) == ("POST /schedules", "0 6 * * MON-FRI")


def test_every_fault_is_told_by_its_field(api_server: ApiServer) -> None:
    """Cron line, zone, calendar and payload at once; of a source, where it leads."""
    bad = DAILY | {"cron": "0 25 * * *", "timezone": "Chicago", "calendar": "UX", "payload": {"number": "x"}}
    blamed = faults(api_server.ask("POST", "/schedules", bad))
    assert set(blamed) == {"cron", "timezone", "calendar", "payload.number"}
    sources = {
        "../etc.ndjson": "must be a folder below",
        "http://files.example/day.ndjson": "must be an https URL",
        "https://files.example/day.ndjson": "HMS_INCOMING_HOSTS does not name it",
        "day.csv": "no columns",
    }
    for source, reason in sources.items():
        answer = api_server.ask("POST", "/schedules", DAILY | {"payload": None, "source": source})
        assert reason in faults(answer)["source"], source
    assert "payload" in faults(api_server.ask("POST", "/schedules", DAILY | {"source": "day.ndjson"}))
    blamed = faults(
        api_server.ask(
            "POST", "/schedules", DAILY | {"payload": None, "source": "in/*.ndjson", "catchUp": "all"}
        )
    )
    assert "write last" in blamed["catchUp"]
    add(api_server)
    assert api_server.ask("POST", "/schedules", DAILY).status_code == 409
    unknown = api_server.ask("POST", "/schedules", DAILY | {"jobType": "no:such:v1"})
    assert "no recipe for job type 'no:such:v1'" in faults(unknown)["jobType"]


def test_run_pause_resume_and_remove(api_server: ApiServer) -> None:
    """Each is audited with its reason; what is not there is not found, and nothing waits to be skipped."""
    add(api_server)
    run = api_server.ask("POST", "/schedules/daily/run", {"reason": "late file"}, Role.OPERATOR)
    assert (run.status_code, run.json()["state"], run.json()["requestedBy"]) == (202, "waiting", "ann")
    paused = api_server.ask("POST", "/schedules/daily/pause", {"reason": "fair"}, Role.MANAGER).json()
    assert (paused["pausedBy"], paused["pauseReason"], paused["next"]) == ("ann", "fair", [])
    assert api_server.ask("POST", "/schedules/daily/resume", {}).json()["pausedBy"] is None
    assert api_server.ask("POST", "/schedules/daily/skip", {}).status_code == 409
    assert api_server.ask("POST", "/schedules/daily/remove", {}).status_code == 200
    for action in ("run", "pause", "resume", "skip", "remove"):
        assert api_server.ask("POST", f"/schedules/daily/{action}", {}).status_code == 404
    lines = api_server.get("/audit?subject=daily")["entries"]
    done = [line["reason"] for line in lines if line["status"] < 300 and line["reason"]]
    assert done == ["fair", "late file"]


def test_a_schedule_of_a_recipe_is_not_removed_by_hand(api_server: ApiServer, database: str) -> None:
    """It would come back with the next release: the answer says what to do instead."""
    add(api_server)
    with connections.engine(database).begin() as connection:
        connection.execute(sa.text("update oms.schedules set in_recipe = true"))
    answer = api_server.ask("POST", "/schedules/daily/remove", {})
    assert answer.status_code == 409
    assert "take it out there and run `hms db migrate`, or pause it" in answer.json()["detail"]


def test_the_calendar_has_what_was_and_what_is_planned(api_server: ApiServer, database: str) -> None:
    """In the order of time; a paused schedule plans nothing, and a calendar has an end."""
    add(api_server, cron="0 6 * * *")
    with connections.engine(database).begin() as connection:
        runs.request(connection, store.get(connection, "daily"), "m")
    entries = api_server.get("/calendar", Role.VIEWER)["entries"]
    assert {entry["state"] for entry in entries} == {"waiting", "planned"}
    assert [entry["at"] for entry in entries] == sorted(entry["at"] for entry in entries)
    assert [entry["run"] is None for entry in entries].count(False) == 1
    api_server.ask("POST", "/schedules/daily/pause", {})
    assert [entry["state"] for entry in api_server.get("/calendar")["entries"]] == ["waiting"]
    answer = api_server.ask("GET", "/calendar?from=2026-01-01T00:00:00Z&to=2027-01-01T00:00:00Z")
    assert "at most 62 days" in faults(answer)["to"]
