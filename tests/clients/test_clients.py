"""The clients, at a real API on a real ledger."""

from __future__ import annotations

import io
import itertools
import os
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from hms_act import ActClient
from hms_oms import Filter, OmsClient
from hms_oms.api.errors import Conflict, Forbidden, InvalidRequest, NotFound, Unauthorized
from hms_oms.database import health
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import completions, ledger, workers
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.tickets import Ticket, job_number
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime import settings
from hms_ops import OpsClient
from hms_ops.findings import Finding
from hms_ops.incidents import lifecycle, thresholds
from tests.support.api import RunningApi, standing

HEADER = "app_id,name,phone,county_fips,crop,acres,amount_requested,submitted_on\n"
GRANT = {"appId": 7, "name": "Zoë \u2028 Lee", "phone": "515-555-0142", "countyFips": "19153", "crop": "corn"}
GRANT |= {"acres": 120, "amountRequested": 30000, "submittedOn": "2026-11-20"}


def hand_over(raw: RawConnection, returns: Recipe, number: int) -> None:
    """Do the first step of a return, so that it waits for an agent."""
    ticket = Ticket(number, 1, "receive")
    ledger.take(raw, "returns", 10)
    ledger.claim(raw, [(ticket, 60.0)], "w")
    ledger.complete(raw, [completions.of(ticket, returns, Done({"box": 1}), by_agent=False)], "w")


def test_the_example_of_the_documents_works(
    database: str,
    broker: str,
    raw: RawConnection,
    returns: Recipe,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """API and badge are found without being named; a job is started, peeked at, worked on and reported."""
    with standing(database, broker, tmp_path / "home") as api_server:
        monkeypatch.setenv("HMS_URL", api_server.url)
        monkeypatch.setenv("HMS_HOME", str(tmp_path / "home"))
        act, oms = ActClient(), OmsClient()
        job = act.start_job("shop:return:v1", payload={}, sla_minutes=10)
        assert (job.id, job.status, job.created) == ("job-1", "waiting", True)
        assert act.set_sla(queue="returns", minutes=5).before == 30
        [peeked] = oms.peek("returns", limit=3)
        assert (peeked.id, peeked.status, peeked.sla_expires) == (job.id, job.status, job.sla)
        hand_over(raw, returns, 1)
        reported = []
        while held := oms.reserve("returns-desk", wait=0.2):
            assert held.results == {"receive": {"box": 1}}
            reported.append((held.job_id, held.report("done", result={"refund": True})))
        assert reported == [("job-1", "waiting")]
        act.close()
        oms.close()


def test_a_job_is_started_once_and_read(act: ActClient, oms: OmsClient) -> None:
    """The same key gives the same job; the job comes back whole, with its timeline."""
    first = act.start_job("shop:order:v1", {"number": 7}, key="seven", priority=3)
    again = act.start_job("shop:order:v1", {"number": 7}, key="seven")
    assert (again.id, first.created, again.created) == (first.id, True, False)
    job = oms.job(first.id)
    assert (job.payload, job.priority, job.steps[0], job.step) == ({"number": 7}, 3, "pick", "pick")
    assert job.sla_expires - job.created_at == timedelta(minutes=30)
    assert job.created_at.tzinfo is not None
    assert [(line.fact, line.step) for line in job.timeline] == [("accepted", "pick")]
    later = datetime.now(UTC) + timedelta(hours=1)
    assert oms.job(act.start_job("shop:order:v1", {"number": 8}, not_before=later).id).ready_at == later


def test_many_jobs_are_listed_page_by_page(act: ActClient, oms: OmsClient, engine: sa.Engine) -> None:
    """All that a filter means comes, over more than one page, and no page more than is asked for."""
    act.start_job("shop:order:v1", {"number": 1})
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into oms.jobs (type, steps, recipe_id, queue, agent, sla, sla_minutes, payload,"
                " requested_by) select type, steps, recipe_id, queue, agent, sla, sla_minutes, payload,"
                " requested_by from oms.jobs, generate_series(1, 1200)"
            )
        )
    every = [job.id for job in oms.jobs(Filter(queue="shop", status=("open",)))]
    assert len(every) == len(set(every)) == 1201
    assert every == sorted(every, key=job_number, reverse=True)
    assert [job.id for job in oms.jobs(limit=3)] == every[:3]
    assert oms.count(Filter(payload={"number": "1"})) == 1201
    assert list(oms.jobs(Filter(created_to=datetime(2026, 1, 1, tzinfo=UTC)))) == []
    assert oms.count(Filter(type="shop:return:v1")) == 0


def test_a_job_is_steered(act: ActClient, oms: OmsClient) -> None:
    """Each verb changes the job and returns it; who has a badge, and why, is in its timeline."""
    name = act.start_job("shop:order:v1", {"number": 1}).id
    assert act.priority(name, 7).priority == 7
    assert act.promote(name, reason="fair").priority >= 0
    until = datetime.now(UTC) + timedelta(hours=2)
    assert act.delay(name, until).ready_at == until
    assert act.delay(name, None).ready_at is None
    assert act.move(name, "returns").queue == "returns"
    assert act.cancel(name, reason="[rain]").status == "cancelled"
    with pytest.raises(Conflict, match="cancelled"):
        act.cancel(name)
    last = oms.job(name).timeline[-1]
    assert (last.fact, last.who, (last.detail or {})["reason"]) == ("cancelled", "ann@example.gov", "[rain]")
    explained = oms.explain(name)
    assert (explained.status, explained.position) == ("cancelled", None)
    assert explained.because[0].startswith(f"{name} is cancelled")


def test_many_jobs_are_steered_at_once(act: ActClient, oms: OmsClient) -> None:
    """A dry run counts and changes nothing; named ones that do not exist stop it all."""
    names = [act.start_job("shop:order:v1", {"number": number}).id for number in range(1, 4)]
    dry = act.bulk("cancel", Filter(queue="shop"), dry_run=True)
    assert (dry.dry_run, dry.matched, dry.able, dry.changed) == (True, 3, 3, 0)
    with pytest.raises(NotFound, match="job-999"):
        act.bulk("cancel", [names[0], "job-999"])
    assert oms.job(names[0]).status == "waiting"
    done = act.bulk("promote", [names[2], names[1]])
    assert set(done.jobs) == {names[1], names[2]}
    assert [job.id for job in oms.peek("shop")] == [names[2], names[1], names[0]]
    assert act.bulk("priority", names, priority=5).changed == 3
    assert act.bulk("move", names[:1], queue="returns").changed == 1
    cancelled = act.bulk("cancel", Filter(queue="shop"), reason="over")
    assert (cancelled.matched, set(cancelled.jobs)) == (2, {names[1], names[2]})
    assert act.bulk("retry", names).unchanged == {"waiting": 1, "cancelled": 2}


def test_a_queue_is_steered_and_read(act: ActClient, oms: OmsClient) -> None:
    """Pause, limits and SLA show where queues are read; a limit that is not named stays."""
    act.start_job("shop:order:v1", {"number": 1})
    assert act.pause("shop", reason="harvest").recalled == 0
    [shop] = [queue for queue in oms.queues() if queue.name == "shop"]
    assert (shop.status, shop.pause_reason, shop.waiting, shop.open, shop.sla_minutes) == (
        "paused",
        "harvest",
        1,
        1,
        30,
    )
    assert (act.resume("shop").changed, act.resume("shop").changed) == (True, False)
    assert act.limit("shop", window=5, starts_per_minute=9).window == 5
    assert act.limit("shop", starts_per_minute=None).window == 5
    assert act.limit("shop").starts_per_minute is None

    assert act.set_sla("shop", 12, dry_run=True).dry_run
    set_now = act.set_sla("shop", 7, reason="fair")
    assert (set_now.minutes, set_now.before, set_now.set_by) == (7, 30, "ann@example.gov")
    assert [entry.minutes for entry in oms.sla("shop")] == [7, 30]
    assert {entry.queue: entry.minutes for entry in oms.slas()}["shop"] == 7
    with pytest.raises(NotFound):
        oms.sla("nowhere")
    with pytest.raises(NotFound):
        oms.peek("no where/../x?y=#")


def test_a_cycle_is_run_from_a_file_or_a_stream(database: str, broker: str, tmp_path: Path) -> None:
    """Rows become jobs, known ones do not again, and what is refused is told with line, field and reason."""
    row = ",Ann Lee,515-555-0142,19153,corn,120,30000,2026-11-20\n"
    file = tmp_path / "today.csv"
    file.write_text(HEADER + "".join(f"{number}{row}" for number in (1, 2, 2, "x")))
    with standing(database, broker, tmp_path / "home", settings.Settings().recipes) as api_server:
        badge = api_server.badge("manager")
        with ActClient(api_server.url, badge) as act, OmsClient(api_server.url, badge) as oms:
            begun = act.run_cycle(file, "farm:grant:v1", sla_minutes=45)
            assert (begun.name, begun.accepted, begun.duplicates, begun.refused) == ("today.csv", 2, 1, 1)
            [refused] = begun.refused_rows
            assert (refused.line, refused.field) == (5, "app_id")
            lines = io.BytesIO(b'{"appId": 1}\n')
            with_lines = act.run_cycle(lines, "farm:grant:v1", name="more.ndjson")
            assert (with_lines.accepted, with_lines.refused) == (0, 1)
            with pytest.raises(InvalidRequest) as wrong:
                act.run_cycle(io.BytesIO(b"id,name\n1,Ann\n"), "farm:grant:v1", name="wrong.csv")
            assert any("app_id" in reason for _, reason in wrong.value.faults)
            reading, writing = os.pipe()
            os.write(writing, f"{HEADER}9{row}".encode())
            os.close(writing)
            with os.fdopen(reading, "rb") as pipe:
                assert act.run_cycle(pipe, "farm:grant:v1", name="pipe").accepted == 1
            with (tmp_path / "huge.csv").open("wb") as huge:
                huge.truncate(1 << 30)
            with pytest.raises(InvalidRequest) as too_large:
                act.run_cycle(tmp_path / "huge.csv", "farm:grant:v1")
            assert too_large.value.status == 413
            report = oms.cycle(begun.id)
            assert (report.progress.waiting, report.progress.open) == (2, 2)
            assert report.outcomes == {"assigned": 0, "rejected": 0}
            assert report.report["duplicates"] == 1
            assert {cycle.id for cycle in oms.cycles()} >= {begun.id, with_lines.id}
            assert (oms.cycle().name, oms.cycle().accepted) == ("pipe", 1)
            job = act.start_job("farm:grant:v1", GRANT)
            assert oms.job(job.id).payload["name"] == GRANT["name"]


def test_a_faulty_request_names_every_field(act: ActClient) -> None:
    """What the recipe does not take is told by its field, and so is a wrong call."""
    with pytest.raises(InvalidRequest) as refused:
        act.start_job("shop:order:v1", {"number": 0, "phone": 5})
    assert {field for field, _ in refused.value.faults} == {"payload.number", "payload.phone"}
    with pytest.raises(InvalidRequest):
        act.bulk("move", Filter(queue="shop"))
    with pytest.raises(InvalidRequest):
        act.start_job("shop:order:v1", {"number": 1}, sla_minutes=-1)


def test_an_agent_waits_extends_and_reports(
    act: ActClient, oms: OmsClient, raw: RawConnection, returns: Recipe
) -> None:
    """The wait ends when a job comes; a failed step is tried again; what holds no more is refused."""
    assert oms.reserve("returns-desk") is None
    name = act.start_job("shop:return:v1", {}).id
    rows = []
    waiting = threading.Thread(target=lambda: rows.append(oms.reserve("returns-desk", wait=30)))
    waiting.start()
    hand_over(raw, returns, job_number(name))
    waiting.join(20)
    [held] = rows
    assert held is not None
    assert (held.job_id, held.step, held.id) == (name, "judge", f"{name}.2.judge")
    assert held.extend(600) > held.lease_until
    assert held.report("retry", reason="the box is wet", retry_after=0) == "waiting"
    with pytest.raises(Conflict):
        held.extend()
    again = oms.reserve("returns-desk", wait=5)
    assert again is not None
    assert again.report("failed", reason="no box") == "failed"
    with pytest.raises(Conflict):
        again.report("done")
    assert act.retry(name).status == "waiting"


def test_a_badge_limits_what_its_bearer_may_do(api_server: RunningApi, oms: OmsClient) -> None:
    """No badge, a wrong role, another queue, and a badge taken back: each is its own error."""
    with (
        ActClient(api_server.url, api_server.badge("viewer")) as viewer,
        pytest.raises(Forbidden, match="manager"),
    ):
        viewer.start_job("shop:order:v1", {"number": 1})
    agent = OmsClient(api_server.url, api_server.badge("agent", queues=["returns-desk"]))
    assert agent.reserve("returns-desk") is None
    with pytest.raises(Forbidden):
        agent.reserve("shop")
    agent.close()
    with OmsClient(api_server.url, "no.badge.really") as stranger, pytest.raises(Unauthorized) as refused:
        stranger.queues()
    assert "really" not in str(refused.value)

    made = oms.issue_badge("bob@example.gov", ["viewer"], hours=1, reason="audit")
    assert made.token not in repr(made)
    with OmsClient(api_server.url, made.token) as bob:
        me = bob.me()
        assert (me.actor, me.roles) == ("bob@example.gov", ("viewer",))
    assert oms.revoke_badge(made.jti, reason="lost").revoked_by == "ann@example.gov"
    assert made.jti in {badge.jti for badge in oms.badges()}
    acts = list(itertools.islice(oms.audit(actor="ann@example.gov"), 10))
    assert any(entry.subject == made.jti and entry.reason == "lost" for entry in acts)


def test_workers_are_read(oms: OmsClient, raw: RawConnection) -> None:
    """A live worker is told with what it serves and holds."""
    held = ["job-1.1.pick"]
    said = workers.Beat("w@h/7", "w@h", "h", 7, "prefork", 4, ["shop"], [], held, 1.0, 3 << 20)
    workers.beat(raw, said)
    [worker] = oms.workers()
    assert (worker.name, worker.slots, worker.queues, worker.tickets) == ("w@h", 4, ("shop",), tuple(held))
    assert worker.beat_age_seconds < 60


def test_a_client_pulls_in_neither_celery_nor_sqlalchemy() -> None:
    """Anyone who imports the clients needs no database driver, no ORM and no task queue."""
    program = (
        "import sys\n"
        "import hms_act, hms_oms, hms_ops\n"
        "assert 'httpx' not in sys.modules\n"
        "from hms_act import ActClient\n"
        "from hms_oms import OmsClient, Filter\n"
        "from hms_ops import OpsClient\n"
        "heavy = {'celery', 'kombu', 'sqlalchemy', 'psycopg2', 'redis', 'fastapi', 'jsonschema'}\n"
        "heavy |= {'pydantic'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_incidents_and_those_who_are_called(ops: OpsClient, oms: OmsClient, engine: sa.Engine) -> None:
    """An incident is found by its reference, acknowledged and resolved; silences, thresholds, on call."""
    with engine.begin() as connection:
        now = health.clock(connection)
        finding = Finding("late", "shop", 3.0, late_jobs=2, facts={"late": 2, "late_since": now.isoformat()})
        limits = thresholds.limits(connection)
        lifecycle.observe(connection, now, [finding], limits, judged=["late"], looked_before=now)
    [listed] = ops.incidents("open", queue="shop")
    assert (listed.rule, listed.state, listed.facts["late"]) == ("late", "open", 2)
    assert listed.reference is not None
    assert ops.incident(listed.reference).id == listed.id
    acknowledged = ops.acknowledge(listed.reference)
    assert (acknowledged.state, acknowledged.acknowledged_by) == ("acknowledged", "ann@example.gov")
    assert ops.resolve(listed.id, reason="mended").state == "resolved"
    assert [line.kind for line in ops.incident(listed.id).timeline]
    assert list(ops.incidents("open")) == []
    with pytest.raises(NotFound):
        ops.incident("Z9")

    now = oms.me().now
    silence = ops.silence(now + timedelta(hours=1), reason="upgrade", queue="shop")
    assert [item.id for item in ops.silences()] == [silence.id]
    assert ops.end_silence(silence.id).ended_by == "ann@example.gov"

    changed = ops.set_threshold("late", "for_seconds", 90, queue="shop", reason="calm")
    assert (changed.value, changed.queue) == (90, "shop")
    assert changed in ops.thresholds()
    assert ops.set_threshold("late", "for_seconds", None, queue="shop").value == changed.default

    called = ops.oncall()
    assert called.now[0].recipients
    document = dict(called.document) | {"timezone": "America/Chicago"}
    assert ops.set_oncall(document, reason="winter").document["timezone"] == "America/Chicago"
    with pytest.raises(InvalidRequest):
        ops.set_oncall({"timezone": "Nowhere"})


def test_slas_and_texts(ops: OpsClient, act: ActClient, engine: sa.Engine) -> None:
    """The report counts what was kept, nobody beats without a watch, and texts wait in the outbox."""
    act.start_job("shop:order:v1", {"number": 1})
    report = ops.sla_report(week=True)
    assert (report.whole.ended, report.whole.share_of_ended, len(report.days)) == (0, None, 7)
    assert report.until - report.since == timedelta(days=7)
    assert ops.sla_report(report.since.date(), report.until).worst == ()
    status = ops.status()
    assert (status.ok, {beat.name for beat in status.beats}) == (False, {"ops", "pager"})
    tokens = {ops.send_sms("+15155550142", "the desk is closed"), ops.test_page("+15155550142")}
    with engine.connect() as connection:
        assert set(connection.scalars(sa.text("select token from oms.messages"))) == tokens


def test_measurements_come_as_they_change(ops: OpsClient, api_server: RunningApi, engine: sa.Engine) -> None:
    """The newest value comes first, then each that is published; a queue that nobody has is refused."""
    publish = sa.text(
        "insert into ops.metrics (name, queue, value, source, at) values ('queue.waiting', :queue, :value,"
        " 'ledger', oms.now()) on conflict (name, queue, subject)"
        " do update set value = :value, at = oms.now()"
    )
    with engine.begin() as connection:
        connection.execute(publish, {"queue": "shop", "value": 1.0})
        connection.execute(publish, {"queue": "returns", "value": 7.0})
    metrics = ops.stream("shop")
    first = next(metrics)
    assert (first.name, first.queue, first.value, first.source) == ("queue.waiting", "shop", 1.0, "ledger")
    with engine.begin() as connection:
        connection.execute(publish, {"queue": "shop", "value": 2.0})
    assert next(metrics).value == 2.0
    metrics.close()
    with pytest.raises(NotFound):
        next(ops.stream("nowhere"))
