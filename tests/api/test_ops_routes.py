"""The routes of the watch: incidents, silences, thresholds, on call, reports, history and texts."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pypdf
import pytest
import sqlalchemy as sa
from prometheus_client.parser import text_string_to_metric_families

from hms_floor.auth.tokens import Role
from hms_oms.database import health, statements
from hms_oms.jobs import commands, workers
from hms_oms.messages import outbox
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime import format
from hms_ops import heartbeats
from hms_ops.findings import Finding
from hms_ops.forecast.snapshot import Forecast, QueueSnapshot, Snapshot
from hms_ops.incidents import actions, signals, store, thresholds
from hms_ops.metrics import history, metrics
from tests.api.conftest import ApiServer, faults

PHONE = "+12025550142"
SLOW = Finding("slow", "shop", 3600.0, facts={"sla_minutes": 30})
DOCUMENT = {
    "timezone": "America/Chicago",
    "recipients": {"Ann": PHONE, "Bob": "+12025550143"},
    "shifts": [],
    "steps": [
        {"after_minutes": 0, "notify": ["Ann"]},
        {"after_minutes": 5, "notify": ["Ann", "Bob"]},
    ],
}


def pending_of(connection: sa.Connection, finding: Finding, now: datetime) -> None:
    """A pending incident of one finding."""
    result = signals.follow({}, [finding], (), now, thresholds.limits(connection))
    assert store.begin(connection, result, now, False)


@pytest.fixture
def incident(api_server: ApiServer, engine: sa.Engine) -> int:
    """An open incident, K7, about which somebody was texted."""
    with engine.begin() as connection:
        now = health.clock(connection)
        pending_of(connection, Finding("slow", "shop", 3600.0, facts={"sla_minutes": 30}), now)
        (pending,) = actions.find(connection, ("pending",))
        opened = store.change(
            connection, pending, now, "opened", state="open", reference="K7", opened_at=now, page_seq=1
        )
        outbox.put_page(
            connection,
            token="page:1:1:0:Ann",
            incident=opened.id,
            kind="page",
            reference="K7",
            recipient=PHONE,
            body="HMS #K7",
        )
    return opened.id


def trail(api_server: ApiServer, action: str) -> list[dict[str, Any]]:
    """The lines of the audit trail about an action, newest first."""
    answer: list[dict[str, Any]] = api_server.client.get(
        "/audit", params={"action": action}, headers={"Authorization": f"Bearer {api_server.badge()}"}
    ).json()["entries"]
    return answer


def publish(engine: sa.Engine, **more: Any) -> None:
    """The watch has looked at the queue of the shop."""
    with engine.begin() as connection:
        now = health.clock(connection)
        queue = QueueSnapshot(name="shop", sla_minutes=30, waiting=4, **more)
        metrics.publish(connection, Snapshot(now=now, queues=[queue], workers=1, counted_at=now))


def test_an_incident_is_found_by_its_name(api_server: ApiServer, incident: int) -> None:
    """By reference, with or without its sign, or by number; with its history and its texts."""
    for name in ("K7", "k7", "%23K7", str(incident)):
        answer = api_server.get(f"/incidents/{name}", Role.VIEWER)
        assert (answer["id"], answer["reference"], answer["state"]) == (incident, "K7", "open")
    assert answer["title"]
    assert "shop" in answer["sentence"]
    assert [line["kind"] for line in answer["timeline"]] == ["opened"]
    assert answer["jobs"] == []
    (text,) = answer["texts"]
    assert (text["to"], text["body"], text["fate"]) == ("***0142", "HMS #K7", "pending")
    (text,) = api_server.get("/incidents/K7", Role.OPERATOR)["texts"]
    assert text["to"] == PHONE
    assert api_server.ask("GET", "/incidents/Q9").status_code == 404
    assert api_server.ask("GET", "/incidents/999999").status_code == 404


def test_incidents_are_listed_by_state_and_queue(api_server: ApiServer, incident: int) -> None:
    """All, or those of the states and the queue that are asked for, page by page."""
    assert [item["id"] for item in api_server.get("/incidents")["incidents"]] == [incident]
    assert api_server.get("/incidents?state=open&state=acknowledged&queue=shop")["incidents"]
    assert api_server.get("/incidents?state=resolved")["incidents"] == []
    assert api_server.get("/incidents?queue=returns")["incidents"] == []
    page = api_server.get("/incidents?limit=1")
    assert api_server.get(f"/incidents?limit=1&cursor={page['next']}") == {"incidents": [], "next": None}
    assert api_server.ask("GET", "/incidents?queue=nowhere").status_code == 404
    assert faults(api_server.ask("GET", "/incidents?state=over")).keys() == {"state.0"}


def test_somebody_takes_it_on_and_ends_it(api_server: ApiServer, engine: sa.Engine, incident: int) -> None:
    """Who is on call acknowledges and resolves; unsent pages are cancelled, and the trail has the reasons."""
    taken = api_server.ask("POST", "/incidents/K7/ack", {"reason": "at it"}, Role.ONCALL)
    assert taken.status_code == 200
    assert (taken.json()["state"], taken.json()["acknowledgedBy"]) == ("acknowledged", "ann")
    assert api_server.get("/incidents/K7")["texts"][0]["fate"] == "cancelled"
    assert api_server.ask("POST", "/incidents/K7/ack", None, Role.ONCALL).status_code == 200
    ended = api_server.ask(
        "POST", f"/incidents/{incident}/resolve", {"reason": "worker is back"}, Role.MANAGER
    )
    assert (ended.json()["state"], ended.json()["resolvedBy"]) == ("resolved", "ann")
    assert api_server.ask("POST", "/incidents/K7/resolve", None, Role.MANAGER).status_code == 200
    assert api_server.ask("POST", "/incidents/K7/ack", None, Role.ONCALL).status_code == 409
    assert api_server.ask("POST", "/incidents/K7/ack", None, Role.OPERATOR).status_code == 403
    acks = trail(api_server, "POST /incidents/{id}/ack")
    assert [line["status"] for line in acks] == [403, 409, 200, 200]
    assert acks[-1]["reason"] == "at it"
    assert acks[-1]["subject"] == "#K7"


def test_people_say_and_do_something(api_server: ApiServer, engine: sa.Engine, incident: int) -> None:
    """A comment is in the history and the trail; a limit that was set is among what people did."""
    assert api_server.ask("POST", "/incidents/K7/comments", {"text": "twice"}, Role.VIEWER).status_code == 403
    assert api_server.ask("POST", "/incidents/K7/comments", {}, Role.ONCALL).status_code == 422
    answer = api_server.ask("POST", "/incidents/K7/comments", {"text": "the file came twice"}, Role.ONCALL)
    assert answer.status_code == 201
    assert (
        api_server.ask("POST", "/queues/shop/limit", {"startsPerMinute": 60}, Role.MANAGER).status_code == 200
    )
    assert (
        api_server.ask("POST", "/queues/shop/limit", {"startsPerMinute": -1}, Role.MANAGER).status_code == 422
    )
    # What only asks, or tries, is nothing that was done.
    assert api_server.ask("POST", "/queues/shop/limit", {}, Role.MANAGER).json()["startsPerMinute"] == 60
    tried = {"minutes": 5, "dryRun": True}
    assert api_server.ask("PUT", "/queues/shop/sla", tried, Role.MANAGER).status_code == 200
    document = api_server.get("/incidents/K7", Role.VIEWER)
    assert (document["timeline"][-1]["kind"], document["timeline"][-1]["detail"]) == (
        "comment",
        {"text": "the file came twice"},
    )
    assert [action["action"] for action in document["actions"]] == ["POST /queues/{queue}/limit"]
    assert document["stage"] == "waits too long"


def test_all_late_jobs_are_listed_and_sorted(
    api_server: ApiServer, engine: sa.Engine, incident: int, order: Any
) -> None:
    """By deadline or by how late they are, page after page, with their key and how they stand."""
    jobs = [order(number) for number in (1, 2, 3)]
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "with listed as ("
                "insert into ops.incident_jobs (incident_id, job_id, deadline)"
                " select :id, id, oms.now() - id * interval '1 minute' from oms.jobs returning 1)"
                " update ops.incidents set late_jobs = (select count(*) from listed) where id = :id"
            ),
            {"id": incident},
        )
    first = api_server.get("/incidents/K7/jobs?order=late&limit=2", Role.VIEWER)
    assert (first["total"], [job["job"] for job in first["jobs"]]) == (3, jobs[:0:-1])
    assert first["jobs"][0]["lateSeconds"] >= 180
    rest = api_server.get(f"/incidents/K7/jobs?order=late&limit=2&cursor={first['next']}", Role.VIEWER)
    assert ([job["job"] for job in rest["jobs"]], rest["next"]) == (jobs[:1], None)
    assert [job["job"] for job in api_server.get("/incidents/K7/jobs?order=key")["jobs"]] == jobs
    assert api_server.ask("GET", "/incidents/K7/jobs?order=payload").status_code == 422


def test_late_jobs_have_their_names_for_those_who_see_payloads(
    api_server: ApiServer, engine: sa.Engine, incident: int, order: Any
) -> None:
    """The payload's name, sorted by; masked for the others, who cannot learn of it from the order either."""
    jobs = [order(number) for number in (1, 2, 3)]
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "update oms.jobs set key = null, payload = case mod(id, 3)"
            """ when 0 then '{"name": "Grace"}' when 1 then '{"name": "Ada"}' else '{"name": 7}' end::jsonb"""
        )
        connection.execute(
            sa.text(
                "insert into ops.incident_jobs (incident_id, job_id, deadline)"
                " select :id, id, oms.now() from oms.jobs"
            ),
            {"id": incident},
        )
    answer = api_server.get("/incidents/K7/jobs?order=name", Role.MANAGER)["jobs"]
    assert [item["name"] for item in answer] == ["Ada", "Grace", None]
    assert sorted(item["job"] for item in answer) == jobs
    masked = api_server.get("/incidents/K7/jobs", Role.VIEWER)["jobs"]
    assert {item["name"] for item in masked} == {"***", None}
    assert {item["key"] for item in masked} == {None}
    assert api_server.ask("GET", "/incidents/K7/jobs?order=name", None, Role.ONCALL).status_code == 403


def test_one_that_has_not_opened_is_nobodys_yet(api_server: ApiServer, engine: sa.Engine) -> None:
    """A pending incident can neither be taken on nor ended by a person."""
    with engine.begin() as connection:
        now = health.clock(connection)
        pending_of(connection, Finding("slow", "shop", 3600.0, facts={"sla_minutes": 30}), now)
        (pending,) = actions.find(connection, ("pending",))
    for verb in ("ack", "resolve"):
        assert (
            api_server.ask("POST", f"/incidents/{pending.id}/{verb}", None, Role.MANAGER).status_code == 409
        )


def test_silences_come_and_go(api_server: ApiServer) -> None:
    """A manager silences a rule for a while and ends it before its time; a silence in the past is none."""
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    request = {"rule": "late", "queue": "shop", "endsAt": later, "reason": "moving house"}
    made = api_server.ask("POST", "/silences", request, Role.MANAGER)
    assert made.status_code == 201
    number = made.json()["id"]
    assert [silence["id"] for silence in api_server.get("/silences", Role.VIEWER)["silences"]] == [number]
    ended = api_server.ask("POST", f"/silences/{number}/end", {"reason": "done"}, Role.MANAGER)
    assert (ended.status_code, ended.json()["endedBy"]) == (200, "ann")
    assert api_server.get("/silences")["silences"] == []
    assert api_server.ask("POST", "/silences", {**request, "rule": "lat"}, Role.MANAGER).status_code == 404
    assert api_server.ask("POST", "/silences", {**request, "queue": "x"}, Role.MANAGER).status_code == 404
    past = {**request, "endsAt": "2020-01-01T00:00:00Z"}
    assert api_server.ask("POST", "/silences", past, Role.MANAGER).status_code == 409
    assert api_server.ask("POST", "/silences/999/end", None, Role.MANAGER).status_code == 404
    assert "reason" in faults(api_server.ask("POST", "/silences", {"endsAt": later}, Role.MANAGER))
    assert [line["reason"] for line in trail(api_server, "POST /silences") if line["status"] == 201] == [
        "moving house"
    ]


def test_thresholds_are_set_and_taken_back(api_server: ApiServer) -> None:
    """A value holds for one queue or all; null is back to the default; what no rule has is 404."""
    path = "/thresholds/late/for_seconds"
    for body, value in (({"value": 20}, 20), ({"value": 5.5, "queue": "shop", "reason": "fair"}, 5.5)):
        answer = api_server.ask("PUT", path, body, Role.MANAGER)
        assert (answer.status_code, answer.json()["value"]) == (200, value)
    document = {
        (threshold["rule"], threshold["parameter"], threshold["queue"]): threshold
        for threshold in api_server.get("/thresholds")["thresholds"]
    }
    assert document["late", "for_seconds", None]["value"] == 20
    assert document["late", "for_seconds", "shop"]["setBy"] == "ann"
    back = api_server.ask("PUT", path, {"value": None}, Role.MANAGER).json()
    assert back["value"] == back["default"]
    assert api_server.ask("PUT", "/thresholds/late/x", {"value": 1}, Role.MANAGER).status_code == 404
    assert api_server.ask("PUT", "/thresholds/x/for_seconds", {"value": 1}, Role.MANAGER).status_code == 404
    for wrong in (-1, 1e10, "1", True):
        assert faults(api_server.ask("PUT", path, {"value": wrong}, Role.MANAGER)).keys() == {"value"}
    assert trail(api_server, "PUT /thresholds/{rule}/{parameter}")[-1]["subject"] == "late.for_seconds"


def test_who_is_on_call(api_server: ApiServer) -> None:
    """A document is set as a whole, every fault is named, and phones are masked for who sets none."""
    unset = api_server.get("/oncall", Role.VIEWER)
    assert unset["setBy"] is None
    answer = api_server.ask("PUT", "/oncall", {"document": DOCUMENT, "reason": "new"}, Role.MANAGER)
    assert answer.status_code == 200, answer.text
    assert answer.json()["now"] == [
        {"afterMinutes": 0, "recipients": ["Ann"]},
        {"afterMinutes": 5, "recipients": ["Ann", "Bob"]},
    ]
    assert answer.json()["document"] == DOCUMENT
    for role in (Role.VIEWER, Role.OPERATOR, Role.ONCALL, Role.ADMIN):
        shown = api_server.get("/oncall", role)["document"]
        assert shown["recipients"] == {"Ann": "***0142", "Bob": "***0143"}
    wrong = {**DOCUMENT, "timezone": "Mars", "recipients": {"Ann": "911"}}
    refused = api_server.ask("PUT", "/oncall", {"document": wrong}, Role.MANAGER)
    assert refused.status_code == 422
    assert {"document.timezone", "document.recipients.Ann"} <= faults(refused).keys()
    assert PHONE not in str(trail(api_server, "PUT /oncall"))


def test_whether_the_watch_is_at_work(api_server: ApiServer, engine: sa.Engine) -> None:
    """Programs that were never heard are stale; with all there, only Redis, which is away, is not well."""
    assert api_server.get("/ops", Role.VIEWER)["ok"] is False
    with engine.begin() as connection:
        for name in heartbeats.NAMES:
            heartbeats.beat(connection, name, {"turns": 1})
    with engine.begin() as connection:
        statements.run(connection, "report_broker", {"kind": None, "words": None, "trouble": None})
    answer = api_server.get("/ops", Role.VIEWER)
    assert answer["ok"] is False
    assert [part["name"] for part in answer["parts"] if part["light"] == "bad"] == ["Redis"]
    assert {beat["name"]: beat["detail"] for beat in answer["beats"]} == {
        name: {"turns": 1} for name in heartbeats.NAMES
    }


def test_prometheus_can_scrape(api_server: ApiServer, engine: sa.Engine) -> None:
    """A badge of a viewer is enough, and what comes can be parsed; the forecast is in it."""
    now = datetime.now(UTC)
    ahead = Forecast(2, now + timedelta(seconds=90), None, now + timedelta(seconds=300), 0.5, 7)
    publish(engine, forecast=ahead, at_risk=2)
    answer = api_server.ask("GET", "/metrics", None, Role.VIEWER)
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    (sample,) = families["hms_forecast_late_in_seconds"].samples
    assert sample.labels == {"queue": "shop"}
    assert 80 < sample.value <= 91
    assert api_server.ask("GET", "/metrics", None, Role.AGENT).status_code == 403


def test_how_deadlines_were_met(api_server: ApiServer, engine: sa.Engine, shop: Recipe, order: Any) -> None:
    """A report, its days and its lateness have the zone that is asked for, and count the same jobs."""
    order(1), order(2)
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.jobs set sla = oms.now() - interval '10 minutes'")
    api_server.ask("PUT", "/oncall", {"document": DOCUMENT}, Role.MANAGER)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    answer = api_server.get(f"/sla/report?to={tomorrow}", Role.VIEWER)
    assert (answer["zone"], api_server.get("/me")["timezone"]) == ("America/Chicago", "America/Chicago")
    assert (answer["whole"]["openLate"], answer["whole"]["shareOfDue"]) == (2, 0)
    assert answer["queues"].keys() == {"shop"}
    assert {item["job"] for item in answer["worst"]} == {"job-1", "job-2"}
    assert {item["cause"] for item in answer["worst"]} == {"waited"}
    assert api_server.get("/sla/report?week=true&zone=UTC")["zone"] == "UTC"
    elsewhere = api_server.get(f"/sla/report?to={tomorrow}&queue=returns")
    assert (elsewhere["queues"], elsewhere["worst"], elsewhere["whole"]["openLate"]) == ({}, [], 0)
    assert api_server.ask("GET", "/sla/report?queue=nowhere").status_code == 404
    days = api_server.get("/sla/days?queue=shop&days=3&zone=UTC")["days"]
    assert [day["openLate"] for day in days.values()] == [0, 0, 2]
    late = api_server.get(f"/sla/lateness?to={tomorrow}")["buckets"]
    assert {job["below"]: job["jobs"] for job in late if job["jobs"]} == {900: 2}
    assert faults(api_server.ask("GET", "/sla/days?zone=Mars")).keys() == {"zone"}
    assert api_server.ask("GET", "/sla/lateness?queue=nowhere").status_code == 404
    assert api_server.ask("GET", "/sla/report?from=2026-02-01&to=2026-01-01").status_code == 409
    assert faults(api_server.ask("GET", "/sla/report?from=yesterday")).keys() == {"from"}


def test_the_report_as_a_pdf(api_server: ApiServer, engine: sa.Engine, shop: Recipe, order: Any) -> None:
    """Its numbers are those of the JSON, its pages are numbered, and its time zone is named."""
    order(1), order(2), order(3)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "update oms.jobs set sla = oms.now() - interval '100 minutes' where id < 3"
        )
        connection.exec_driver_sql(
            "update oms.jobs set status = 'done', finished_at = oms.now() - interval '2 days' where id > 1"
        )
    asked = f"to={(datetime.now(UTC) + timedelta(days=1)).date()}&zone=Pacific/Marquesas"
    report = api_server.get(f"/sla/report?{asked}")
    answer = api_server.ask("GET", f"/sla/report.pdf?{asked}", None, Role.VIEWER)
    assert answer.headers["content-type"] == "application/pdf"
    assert f'filename="sla-{next(iter(report["days"]))}.pdf"' in answer.headers["content-disposition"]
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(answer.content)).pages]
    assert all(f"Page {number} of {len(pages)}" in text for number, text in enumerate(pages, start=1))
    assert "time zone Pacific/Marquesas" in pages[0]
    words = " ".join(" ".join(pages).split())
    rows = {**report["queues"], "all queues": report["whole"], **report["days"]}
    assert len(rows) > 8
    for name, counts in rows.items():
        shares = (format.percent(counts["shareOfEnded"]), format.percent(counts["shareOfDue"]))
        numbers = (counts["late"], counts["failed"], counts["openLate"])
        line = (name, counts["ended"], counts["onTime"], *shares, *numbers)
        assert " ".join(map(str, line)) in words
    assert {miss["job"] for miss in report["worst"]} == {
        name for name in ("job-1", "job-2", "job-3") if name in words
    }
    elsewhere = api_server.ask("GET", f"/sla/report.pdf?{asked}&queue=returns")
    assert "sla-returns-" in elsewhere.headers["content-disposition"]
    assert "No job was due" in pypdf.PdfReader(io.BytesIO(elsewhere.content)).pages[0].extract_text()
    assert api_server.ask("GET", "/sla/report.pdf?queue=nowhere").status_code == 404


def test_how_a_metric_went(api_server: ApiServer, engine: sa.Engine) -> None:
    """The history of a kept metric, in steps of its queue; others have none."""
    publish(engine, late=3)
    with engine.begin() as connection:
        history.keep(connection, health.clock(connection))
    answer = api_server.get(
        "/history?name=sla.breached&queue=shop&to=2199-01-01&from=2198-12-31", Role.VIEWER
    )
    assert (answer["unit"], answer["points"]) == ("jobs", [])
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat().replace("+00:00", "Z")
    answer = api_server.get(f"/history?name=sla.breached&queue=shop&to={tomorrow}")
    assert [point["value"] for point in answer["points"]] == [3]
    assert faults(api_server.ask("GET", "/history?name=queue.waitTime.p50")).keys() == {"name"}
    assert (
        api_server.ask("GET", "/history?name=sla.breached&from=2026-01-01&to=2026-12-31&step=60").status_code
        == 409
    )


def test_a_text_is_sent_once(api_server: ApiServer, engine: sa.Engine) -> None:
    """The same key is one text; what no country has as a number is refused; the trail has no phone."""
    request = {"to": PHONE, "text": "The county office opens at 9.", "key": "office"}
    answers = [api_server.ask("POST", "/texts", request, Role.MANAGER) for _ in range(2)]
    assert [(answer.status_code, answer.json()["created"]) for answer in answers] == [
        (202, True),
        (202, False),
    ]
    (text,) = api_server.get("/texts", Role.MANAGER)["texts"]
    assert (text["to"], text["body"], text["kind"], text["page"]) == (
        PHONE,
        request["text"],
        "message",
        False,
    )
    (text,) = api_server.get("/texts", Role.ONCALL)["texts"]
    assert (text["to"], text["body"]) == ("***0142", "***")
    for number in ("+1555", "+15550000000", "2025550142", "+999123456789"):
        assert faults(api_server.ask("POST", "/texts", {**request, "to": number}, Role.MANAGER)).keys() == {
            "to"
        }
    assert PHONE not in str(trail(api_server, "POST /texts"))


def test_a_phone_is_not_rung_all_night(api_server: ApiServer) -> None:
    """After twenty texts within an hour a phone gets no more of them."""
    sent = [api_server.ask("POST", "/texts", {"to": PHONE, "text": "x"}, Role.MANAGER) for _ in range(21)]
    assert [item.status_code for item in sent] == [202] * 20 + [429]
    assert int(sent[-1].headers["retry-after"]) > 0


def test_a_test_page(api_server: ApiServer, engine: sa.Engine) -> None:
    """A test page is a page about no incident, which expires when it cannot go out."""
    assert api_server.ask("POST", "/test-pages", {"to": PHONE}, Role.MANAGER).status_code == 202
    (text,) = api_server.get("/texts", Role.MANAGER)["texts"]
    assert (text["page"], text["incident"], text["kind"]) == (True, None, "test")
    assert "Nothing is wrong" in text["body"]


def test_texts_of_a_job_and_an_incident(
    api_server: ApiServer, engine: sa.Engine, incident: int, order: Any
) -> None:
    """Texts are found by what they are about; an applicant's is masked for who sees no payload."""
    job = order(1)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into oms.messages (token, job_id, kind, recipient, body)"
            f" values ('a', {job.removeprefix('job-')}, 'applicant', '{PHONE}', 'Dear Ann')"
        )
    (text,) = api_server.get(f"/jobs/{job}/texts", Role.OPERATOR)["texts"]
    assert (text["job"], text["to"], text["body"]) == (job, PHONE, "Dear Ann")
    for path in (f"/jobs/{job}/texts", f"/texts?job={job}"):
        (text,) = api_server.get(path, Role.VIEWER)["texts"]
        assert (text["to"], text["body"]) == ("***0142", "***")
    (text,) = api_server.get("/texts?incident=K7", Role.VIEWER)["texts"]
    assert text["incident"] == incident
    for path in ("/jobs/job-99/texts", "/texts?job=99", "/texts?incident=Q9"):
        assert api_server.ask("GET", path).status_code == 404


def test_a_dry_run_tells_what_an_sla_would_mean(
    api_server: ApiServer, engine: sa.Engine, raw: Any, order: Any
) -> None:
    """Without a measurement there is no forecast; with one it counts the open jobs, under both SLAs."""
    for number in range(1, 11):
        order(number)
    unknown = api_server.ask("PUT", "/queues/shop/sla", {"minutes": 5, "dryRun": True}, Role.MANAGER)
    assert unknown.json()["forecast"] is None
    workers.beat(raw, workers.Beat("w/1", "w", "here", 1, "solo", 2, ["shop"], [], [], 1.0, 1))
    publish(engine, forecast=Forecast(0, None, None, None, 0.01, 1, slot_rate=0.005))
    dry_run = {"minutes": 5, "dryRun": True}
    ahead = api_server.ask("PUT", "/queues/shop/sla", dry_run, Role.MANAGER).json()["forecast"]
    # One job in a hundred seconds: all ten are done within thirty minutes, three within five.
    assert (ahead["open"], ahead["before"]["late"], ahead["after"]["late"]) == (10, 0, 8)
    assert (ahead["lateAtOnce"], ahead["before"]["lateAlready"]) == (0, 0)
    assert (ahead["before"]["slotsNeeded"], ahead["after"]["slotsNeeded"]) == (2, 7)
    with engine.begin() as connection:
        commands.limit(connection, "shop", window=None, starts_per_minute=1, who="ann")
        connection.exec_driver_sql("delete from ops.metrics")  # written no more than once a second
    publish(engine, forecast=Forecast(0, None, None, None, 0.01, 1, slot_rate=0.5))
    ahead = api_server.ask("PUT", "/queues/shop/sla", dry_run, Role.MANAGER).json()["forecast"]
    # One job a minute may start, though one slot could do thirty: the limit is in the forecast.
    assert (ahead["before"]["late"], ahead["after"]["late"]) == (0, 6)
    assert (ahead["after"]["slotsNeeded"], ahead["after"]["limitNeeded"]) == (1, 3)
    longer = {"minutes": 240, "dryRun": True}
    ahead = api_server.ask("PUT", "/queues/shop/sla", longer, Role.MANAGER).json()["forecast"]
    assert (ahead["after"]["late"], ahead["lateAtOnce"]) == (0, 0)
    assert api_server.get("/queues/shop/sla")["history"][0]["minutes"] == 30
    real = api_server.ask("PUT", "/queues/shop/sla", {"minutes": 5}, Role.MANAGER)
    assert (real.json()["forecast"], real.json()["before"]) == (None, 30)
