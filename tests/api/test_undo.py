"""Cancelled jobs that come back, changes that are undone, and changes so large that they want confirming."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from hms_floor.auth.tokens import Role
from hms_oms.api.filter import CONFIRM_ABOVE
from tests.api.conftest import ApiServer, faults

Place = Callable[..., str]


def post(api_server: ApiServer, path: str, body: dict[str, Any] | None = None, *roles: Role) -> Any:
    """Have something done; it must be."""
    answer = api_server.ask("POST", path, body or {}, *roles)
    assert answer.is_success, answer.text
    return answer.json()


def crowd(engine: sa.Engine, number: int) -> None:
    """Have the ledger hold so many more jobs like its first."""
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into oms.jobs"
                " (type, recipe_id, steps, queue, sla, sla_minutes, payload, requested_by)"
                " select type, recipe_id, steps, queue, sla, sla_minutes, payload, requested_by"
                " from (select * from oms.jobs order by id limit 1) as job, generate_series(1, :number)"
            ),
            {"number": number},
        )


def test_a_cancelled_job_is_reinstated(api_server: ApiServer, order: Place) -> None:
    """By one who may cancel; its log says by whom and why, and that it was is told if it is done twice."""
    job = order(1)
    due = api_server.get(f"/jobs/{job}")["slaExpires"]
    post(api_server, f"/jobs/{job}/cancel")
    assert api_server.ask("POST", f"/jobs/{job}/reinstate", {}, Role.VIEWER).status_code == 403
    back = post(api_server, f"/jobs/{job}/reinstate", {"reason": "a mistake"}, Role.OPERATOR)
    assert (back["status"], back["slaExpires"]) == ("waiting", due)
    last = api_server.get(f"/jobs/{job}")["timeline"][-1]
    assert (last["fact"], last["who"], last["detail"]["reason"]) == ("reinstated", "ann", "a mistake")
    again = api_server.ask("POST", f"/jobs/{job}/reinstate")
    assert (again.status_code, again.json()["detail"][:16]) == (409, f"{job} is waiting"[:16])


def test_a_start_with_a_cancelled_jobs_key_makes_a_new_one(api_server: ApiServer, order: Place) -> None:
    """Both name the other, and the old one cannot come back: the answer names the job that has its key."""
    old = order(1)
    post(api_server, f"/jobs/{old}/cancel")
    body = {"jobType": "shop:order:v1", "payload": {"number": 1}}
    new, again = post(api_server, "/jobs", body), post(api_server, "/jobs", body)
    assert (new["created"], new["replaces"], again["created"]) == (True, old, False)
    assert api_server.get(f"/jobs/{new['jobId']}")["replaces"] == old
    assert api_server.get(f"/jobs/{old}")["replacedBy"] == new["jobId"]
    refused = api_server.ask("POST", f"/jobs/{old}/reinstate")
    assert refused.status_code == 409
    assert f"{new['jobId']} has its key" in refused.json()["detail"]
    bulk = {"action": "reinstate", "ids": [old, new["jobId"]]}
    done = post(api_server, "/jobs/bulk", bulk)
    assert (done["changed"], done["unchanged"]) == (0, {"cancelled": 1, "waiting": 1})
    assert f"{new['jobId']} has the key of {old}" in done["warning"]
    assert post(api_server, "/jobs/bulk", bulk | {"dryRun": True})["able"] == 0


def test_a_file_with_cancelled_jobs_keys_makes_new_ones(api_server: ApiServer, order: Place) -> None:
    """A row whose job was cancelled is accepted again; one whose job lives is a duplicate."""
    old, _ = order(1), order(2)
    post(api_server, f"/jobs/{old}/cancel")
    content = b'{"number": 1}\n{"number": 2}\n'
    path = "/cycles?jobType=shop:order:v1&name=again.ndjson"
    done = api_server.ask(
        "POST", path, content=content, headers={"Content-Type": "application/x-ndjson"}
    ).json()
    assert (done["accepted"], done["duplicates"]) == (1, 1)
    [job] = api_server.get("/jobs", params={"batch": done["batch"]})["jobs"]
    assert job["replaces"] == old


def test_what_was_just_done_is_undone(api_server: ApiServer, order: Place) -> None:
    """Each answer says how; the undoing stands in the job's log and in the audit trail."""
    first, second = order(1), order(2)
    promoted = post(api_server, f"/jobs/{second}/promote")
    assert 29 <= promoted["undo"]["seconds"] <= 30
    [listed] = api_server.get("/changes")["changes"]
    assert (listed["id"], listed["action"], listed["jobs"]) == (promoted["undo"]["id"], "promote", 1)
    done = post(api_server, f"/changes/{promoted['undo']['id']}/undo", {"reason": "wrong one"})
    assert (done["restored"], done["message"]) == (1, f"Undone: the promotion of {second}.")
    assert [job["id"] for job in api_server.get("/queues/shop/peek")["jobs"]] == [first, second]
    assert api_server.get(f"/jobs/{second}")["timeline"][-1]["detail"]["undo"] == listed["id"]
    [entry] = api_server.get("/audit", params={"action": "POST /changes/{id}/undo"})["entries"]
    assert (entry["subject"], entry["reason"], entry["detail"]["action"]) == (second, "wrong one", "promote")
    again = api_server.ask("POST", f"/changes/{listed['id']}/undo")
    assert (again.status_code, again.json()["detail"]) == (409, "the promotion was undone already, by ann")
    assert api_server.get("/changes")["changes"] == []
    assert api_server.ask("POST", "/changes/99999/undo").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body", "changed"),
    [
        ("POST", "/queues/shop/pause", {"reason": "rain"}, {"status": "paused"}),
        ("PUT", "/queues/shop/sla", {"minutes": 5}, {"slaMinutes": 5.0}),
        ("POST", "/queues/shop/limit", {"startsPerMinute": 60}, {}),
    ],
)
def test_what_was_done_to_a_queue_is_undone(
    api_server: ApiServer, method: str, path: str, body: dict[str, Any], changed: dict[str, Any]
) -> None:
    """It stands as it did before; the same once more changes nothing, and leaves nothing to undo."""

    def queue() -> Any:
        [answer] = [queue for queue in api_server.get("/queues")["queues"] if queue["name"] == "shop"]
        return answer

    before = queue()
    change = api_server.ask(method, path, body).json()["undo"]
    assert queue().items() >= changed.items()
    post(api_server, f"/changes/{change['id']}/undo")
    assert queue() == before
    assert post(api_server, "/queues/shop/limit")["startsPerMinute"] is None
    assert post(api_server, "/queues/shop/resume")["undo"] is None


def test_only_a_manager_undoes_what_others_did(api_server: ApiServer, order: Place) -> None:
    """An operator sees and undoes their own changes alone."""
    change = post(api_server, f"/jobs/{order(1)}/cancel")["undo"]["id"]
    bob = api_server.badge(Role.OPERATOR, actor="bob")
    assert api_server.ask("GET", "/changes", badge=bob).json()["changes"] == []
    refused = api_server.ask("POST", f"/changes/{change}/undo", {}, badge=bob)
    assert (refused.status_code, "is by ann" in refused.json()["detail"]) == (403, True)
    boss = api_server.badge(Role.MANAGER, actor="boss")
    assert api_server.ask("POST", f"/changes/{change}/undo", {}, badge=boss).status_code == 200


def test_very_many_jobs_are_changed_only_with_reason_and_count(
    api_server: ApiServer, order: Place, engine: sa.Engine
) -> None:
    """Both are wanted above the threshold; a wrong count is refused with the right one."""
    order(1)
    crowd(engine, CONFIRM_ABOVE)
    able = CONFIRM_ABOVE + 1
    request = {"action": "cancel", "filter": {"queue": "shop"}}
    refused = api_server.ask("POST", "/jobs/bulk", request)
    assert refused.status_code == 422
    assert faults(refused) == {
        "reason": f"{able} jobs would change: say why",
        "count": f"{able} jobs would change: confirm it with count {able}",
    }
    for count in (able - 1, 3 * able):
        wrong = api_server.ask("POST", "/jobs/bulk", request | {"reason": "flood", "count": count})
        assert (wrong.status_code, f"{able} jobs would change now" in wrong.json()["detail"]) == (409, True)
    assert api_server.get("/jobs", params={"status": "cancelled", "count": True})["total"] == 0
    done = post(api_server, "/jobs/bulk", request | {"reason": "flood", "count": able})
    assert done["changed"] == able
    undone = post(api_server, f"/changes/{done['undo']['id']}/undo")
    assert (undone["restored"], undone["message"]) == (able, f"Undone: the cancellation of {able} jobs.")


def test_a_few_need_neither(api_server: ApiServer, order: Place, engine: sa.Engine) -> None:
    """At the threshold nothing is asked; a count that is given must be right all the same."""
    order(1)
    crowd(engine, CONFIRM_ABOVE - 1)
    request = {"action": "cancel", "filter": {"queue": "shop"}}
    assert api_server.ask("POST", "/jobs/bulk", request | {"count": 5}).status_code == 409
    assert post(api_server, "/jobs/bulk", request)["changed"] == CONFIRM_ABOVE
