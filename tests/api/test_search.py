"""The API finds jobs by their words, for those who may see payloads."""

from __future__ import annotations

from collections.abc import Callable

from hms_floor.auth.tokens import Role
from tests.api.conftest import ApiServer, faults


def test_jobs_are_searched(api_server: ApiServer, order: Callable[..., str]) -> None:
    """All words must be there, other filters narrow, and a job type tells what it shows."""
    zoe = order(4711, name="Zo\u00eb Berg", phone="+12025550123")
    order(4712, name="Ann Berg", phone="+12025550124")
    listed = api_server.get("/jobs?search=berg%20ZOE&count=true")
    assert ([job["id"] for job in listed["jobs"]], listed["total"], listed["more"]) == ([zoe], 1, False)
    assert [job["id"] for job in api_server.get("/jobs?search=202-555-0123")["jobs"]] == [zoe]
    assert api_server.get("/jobs?search=berg&status=done")["jobs"] == []
    assert len(api_server.get("/jobs?search=berg&atRisk=true")["jobs"]) == 2
    [shown] = [
        known["show"] for known in api_server.get("/recipes")["recipes"] if known["type"] == "shop:order:v1"
    ]
    assert shown == ["number", "name", "phone"]


def test_a_search_is_refused_precisely(api_server: ApiServer, order: Callable[..., str]) -> None:
    """Too short a word is said to be; who may not see a payload cannot guess what is in it."""
    order(1, name="Ann")
    answer = api_server.ask("GET", "/jobs?search=an")
    assert answer.status_code == 422
    assert faults(answer) == {"search": "needs a word of at least 3 characters"}
    answer = api_server.ask("GET", "/jobs?search=ann", None, Role.VIEWER)
    assert (answer.status_code, "may see them" in answer.text) == (403, True)
    # Nothing is changed by a search: what it means changes with each job that comes.
    bulk = {"action": "cancel", "filter": {"search": "ann"}, "dryRun": True}
    assert api_server.ask("POST", "/jobs/bulk", bulk).status_code == 422
