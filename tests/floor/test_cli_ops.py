"""The verbs about incidents, on call, the watch, deadlines and the audit trail, at a real API."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import pypdf
import pytest
import sqlalchemy as sa
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result

from hms_act import ActClient
from hms_floor.cli import main
from hms_floor.cli.terminal import api_client as apis
from hms_floor.cli.terminal.chart import Chart
from hms_floor.local import embedded
from hms_floor.pages.queues.figures import figures_of
from hms_floor.presentation import overview
from hms_oms import OmsClient
from hms_oms.api.codec import document
from hms_oms.cycles import cycles
from hms_oms.database import connections as ledger_connections
from hms_oms.database import health, statements
from hms_oms.database.refusals import SILENT, Refusal
from hms_oms.messages import outbox
from hms_ops import client, heartbeats
from hms_ops.findings import Finding
from hms_ops.forecast.snapshot import Forecast, QueueSnapshot, Snapshot, Waits
from hms_ops.incidents import lifecycle, thresholds
from hms_ops.metrics import counts, metrics
from hms_ops.oncall import escalation, oncall
from tests.oms.test_open_counts import JOBS
from tests.support.api import RunningApi, standing

PHONE = "+12025550142"
ROTA = f"""
timezone = "America/Chicago"
recipients = {{ ada = "{PHONE}", grace = "+1 202 555 0143" }}
[[shifts]]
name = "rare"
days = ["mon"]
from = 07:00:00
until = "07:01"
recipient = "grace"
[[steps]]
after_minutes = 0
notify = ["ada"]
[[steps]]
after_minutes = 10
notify = ["ada", "grace"]
"""
#: TRUNCATE fires no trigger of rows, so that even what is append-only can be emptied.
EMPTY = """
truncate oms.jobs, oms.job_events, oms.job_search, oms.unindexed_words, oms.audit, oms.messages,
    ops.incidents, ops.incident_events, ops.incident_jobs, ops.silences, ops.oncall, ops.thresholds,
    ops.metrics, ops.beats, oms.broker_state
    restart identity cascade;
update oms.queues set paused_at = null, paused_by = null, pause_reason = null;
"""

Hms = Callable[..., Result]


@pytest.fixture(scope="module")
def standing_api(
    servers: embedded.Servers, module_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningApi]:
    """An API on a ledger that the module's tests share, with the recipes of the test shop."""
    with standing(module_database, str(servers.broker_url), tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def engine(standing_api: RunningApi) -> sa.Engine:
    """The module's ledger, with nothing but queues and recipes in it."""
    assert standing_api.settings.database_url is not None
    result = ledger_connections.engine(standing_api.settings.database_url)
    with result.begin() as connection:
        connection.exec_driver_sql(EMPTY)
    return result


@pytest.fixture
def hms(standing_api: RunningApi, engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hms]:
    """Call `hms` with the badge of the home, or with one of these `roles`."""
    for name in [name for name in os.environ if name.startswith("HMS_")]:
        monkeypatch.delenv(name)

    def call(*words: str, roles: tuple[str, ...] = (), feed: str | None = None, **more: str | None) -> Result:
        badge: dict[str, str | None] = {"HMS_BADGE": standing_api.badge(*roles)} if roles else {}
        forget()
        # As wide as the widest table: what is left out on a narrow screen has tests of its own.
        environment = {"COLUMNS": "240", **standing_api.found, **badge, **more}
        answer = CliRunner().invoke(main, words, input=feed, env=environment, prog_name="hms")
        assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
        return answer

    yield call
    forget()


def forget() -> None:
    """Each call finds its API and badge again, as each process does."""
    for cached in (apis.act, apis.oms, apis.ops):
        cached.cache_clear()


def look(engine: sa.Engine, *findings: Finding, after: timedelta = timedelta()) -> None:
    """Be the watch: one look, `after` a while, at which these rules hold; texts wait in the outbox."""
    with engine.begin() as connection:
        now = health.clock(connection) + after
        limits = thresholds.limits(connection)
        judged = ["late", "slow"]
        lifecycle.observe(connection, now, findings, limits, judged=judged, looked_before=now)
        escalation.page(connection, now, True, UTC)


def late(engine: sa.Engine, jobs: int = 764, seconds: float = 240.0) -> str:
    """So many jobs of the shop are late: an open incident, by its reference."""
    with engine.connect() as connection:
        since = health.clock(connection) - timedelta(seconds=seconds)
    facts = {"late": jobs, "late_since": since.isoformat()}
    look(engine, Finding("late", "shop", seconds, late_jobs=jobs, facts=facts))
    with engine.begin() as connection:
        connection.execute(sa.text("update ops.incidents set late_jobs = :jobs"), {"jobs": jobs})
        return str(connection.scalar(sa.text("select reference from ops.incidents")))


def measure(engine: sa.Engine, age: float = 0.0, **observed: Any) -> None:
    """Be the watch: publish the metrics of the shop's queue, as they were `age` seconds ago."""
    with engine.begin() as connection:
        now = health.clock(connection) - timedelta(seconds=age)
        queue = QueueSnapshot(name="shop", sla_minutes=30, workers=2, slots=8, **observed)
        metrics.publish(connection, Snapshot(now=now, queues=[queue], workers=2, counted_at=now))


def beat(engine: sa.Engine, name: str, **detail: Any) -> None:
    """Be a daemon that says that it is there."""
    with engine.begin() as connection:
        heartbeats.beat(connection, name, detail)


def dispatcher_says(engine: sa.Engine, refusal: Refusal | None = None) -> None:
    """Be a dispatcher that is at work; Redis may refuse what it publishes."""
    with engine.begin() as connection:
        said = {"kind": refusal and refusal.kind, "words": refusal and refusal.words, "trouble": None}
        statements.run(connection, "report_broker", said)


def told(answer: Result, code: int = 0) -> str:
    """What a call printed, which ended with this code."""
    assert answer.exit_code == code, answer.output
    return answer.output


def read(answer: Result, code: int = 0) -> Any:
    """The JSON that a call printed."""
    assert answer.exit_code == code, answer.output
    return json.loads(answer.stdout)


def test_incidents_are_listed(hms: Hms, engine: sa.Engine) -> None:
    """What is wrong stands in a table, and where nothing is that is said."""
    assert told(hms("incident", "list")) == "Nothing is wrong.\n"
    assert told(hms("incident", "list", "--all", "--queue", "shop")) == "No incidents in shop.\n"
    assert told(hms("incident", "list", "--state", "open")) == "No incident is open.\n"
    reference = late(engine)
    page = told(hms("incident", "list"))
    assert f"#{reference}" in page
    assert "shop: 764 jobs late since" in page
    [listed] = read(hms("incident", "list", "--json"))
    assert (listed["reference"], listed["state"], listed["lateJobs"]) == (reference, "open", 764)
    assert read(hms("incident", "list", "--state", "resolved", "--json")) == []
    assert read(hms("incident", "list", "--queue", "returns", "--json")) == []


def test_an_incident_that_is_over_tells_its_worst(hms: Hms, engine: sa.Engine) -> None:
    """Not what the last look saw of it, when one job was left."""
    late(engine)
    late(engine, jobs=1, seconds=3.0)
    with engine.begin() as connection:
        connection.exec_driver_sql("update ops.incidents set late_jobs = 764")
    look(engine)
    look(engine, after=timedelta(seconds=61))
    assert told(hms("incident", "list")) == "Nothing is wrong.\n"
    page = told(hms("incident", "list", "--all"))
    assert "shop: 764 jobs were late, the worst by 4 min." in page
    assert "over" in page


def test_a_comment_is_kept_with_an_incident(hms: Hms, engine: sa.Engine) -> None:
    """What somebody says is in its history; the list of late jobs says where there is none."""
    reference = late(engine)
    said = told(hms("incident", "comment", reference, "the county file came twice"))
    assert said == f"#{reference} has your comment in its history.\n"
    page = told(hms("incident", "show", reference))
    assert "the county file came twice" in page
    assert told(hms("incident", "jobs", reference, "--sort", "late")) == "No job was late in it.\n"
    assert read(hms("incident", "comment", reference, "again", "--json"))["stage"] == "late"


def test_an_incident_is_shown_with_what_was_done_and_texted(hms: Hms, engine: sa.Engine) -> None:
    """Its history, the reason that somebody gave, the texts with their fate, and its jobs."""
    reference = late(engine)
    acked = told(hms("incident", "ack", f"#{reference.lower()}", "--reason", "two more workers"))
    assert f"#{reference} is acknowledged. Unless it is over by " in acked
    page = told(hms("incident", "show", reference))
    for word in ("764", "acknowledged", "two more workers", "texts again", "cancelled", f"ACK {reference}."):
        assert word in page
    output = read(hms("incident", "show", reference, "--json"))
    assert [line["kind"] for line in output["timeline"]] == ["opened", "paged", "acknowledged"]
    assert [text["to"] for text in output["texts"]] == [oncall.DEFAULT["recipients"]["on-call"]]
    assert read(hms("incident", "ack", reference, "--json"))["state"] == "acknowledged"
    assert "is resolved" in told(hms("incident", "resolve", reference, "--reason", "mended"))
    again = hms("incident", "ack", reference)
    assert "there is nothing to take on" in told(again, 1)


def test_phones_are_masked_for_a_viewer(hms: Hms, engine: sa.Engine) -> None:
    """A viewer sees the last four digits of whom is called and who was; a manager all of them."""
    told(hms("oncall", "set", "-", feed=ROTA))
    reference = late(engine)
    for words in (["oncall", "list"], ["incident", "show", reference]):
        assert PHONE in told(hms(*words, roles=("manager",)))
        for masked in (hms(*words, roles=("viewer",)), hms(*words, "--json", roles=("viewer",))):
            assert PHONE not in told(masked)
            assert "***0142" in masked.output


def test_silences_are_made_listed_and_ended(hms: Hms) -> None:
    """From now on, or later; with what they cover and until when."""
    assert "Nothing is silenced" in told(hms("incident", "silences"))
    words = ["incident", "silence", "--reason", "moving the servers", "--for", "2h"]
    made = told(hms(*words, "--queue", "shop", "--rule", "slow"))
    assert made.startswith("Silence 1: slow in shop until ")
    assert "hms incident unsilence 1" in made
    assert "every rule in every queue from" in told(hms(*words, "--from", "+1d"))
    assert read(hms(*words, "--json"))["reason"] == "moving the servers"
    assert "moving the servers" in told(hms("incident", "silences"))
    assert [item["rule"] for item in read(hms("incident", "silences", "--json"))].count("slow") == 1
    assert told(hms("incident", "unsilence", "1", "--reason", "done")) == "Silence 1 has ended.\n"
    assert read(hms("incident", "unsilence", "2", "--json"))["endedAt"]
    assert len(read(hms("incident", "silences", "--json"))) == 1


def test_the_on_call_document_is_set_and_read(hms: Hms, engine: sa.Engine, tmp_path: Path) -> None:
    """As TOML, with hours as TOML writes them, or as JSON; the default says that it is one."""
    assert "until somebody sets a document" in told(hms("oncall", "list"))
    beat(engine, "ops", sender_is_local=False)
    assert "Nobody is texted" in told(hms("oncall", "list"))
    file = tmp_path / "rota.toml"
    file.write_text(ROTA)
    put = told(hms("oncall", "set", str(file), "--reason", "Ada is back"))
    assert "at once" in put
    assert "after 10 min" in put
    page = told(hms("oncall", "list"))
    assert "Ada is back" in page
    assert "America/Chicago" in page
    output = read(hms("oncall", "list", "--json"))
    assert output["now"][0] == {"afterMinutes": 0, "recipients": ["ada"]}
    [shift] = output["document"]["shifts"]
    with engine.connect() as connection:
        shift["days"] = [oncall.DAYS[(health.clock(connection).weekday() + 3) % 7]]
    output["document"]["steps"] = [{"after_minutes": 0, "notify": ["shift:rare"]}]
    as_json = json.dumps(output["document"])
    assert read(hms("oncall", "set", "-", "--json", feed=as_json))["reason"] is None
    page = told(hms("oncall", "list"))
    assert "no shift covers this hour" in page
    assert told(hms("oncall", "get")) == page
    assert re.search(r"^Now: nobody until \d{4}-\d\d-\d\d \d\d:00 UTC, then grace\.$", page, re.MULTILINE)
    assert re.search(r"^Tonight(:| nobody is called)", page, re.MULTILINE)


def test_the_state_of_the_watch_is_told_in_words(hms: Hms, engine: sa.Engine) -> None:
    """Silent with exit code 1; alive with what it says of itself."""
    silent = told(hms("ops", "status"), 1)
    assert "never heard" in silent
    assert "hms ops run" in silent
    assert read(hms("ops", "status", "--json"), 1)["ok"] is False
    beat(engine, "ops", failed_rules=[], sender_is_local=True)
    beat(engine, "pager", sender="log", fault=None)
    assert "No dispatcher has ever been heard: jobs are not handed out." in told(hms("ops", "status"), 1)
    dispatcher_says(engine)
    page = told(hms("ops", "status"))
    assert "nothing has failed" in page
    assert "Nobody real is on call: no on-call document is set." in page
    assert "handset.log" in page
    assert "[]" not in page
    beat(engine, "ops", failed_rules=["slow"], sender_is_local=False)
    beat(engine, "pager", sender="twilio", fault="the account is suspended")
    page = told(hms("ops", "status"), 1)
    for words in ("cannot judge: slow", "the account is suspended", "texts go out by twilio"):
        assert words in page


def test_the_state_of_the_watch_is_not_well_while_redis_is_silent(hms: Hms, engine: sa.Engine) -> None:
    """What the dispatcher sees of Redis is a line, and so is an incident that waits for somebody."""
    beat(engine, "ops", failed_rules=[], sender_is_local=False)
    beat(engine, "pager", sender="twilio", fault=None)
    dispatcher_says(engine, SILENT)
    page = told(hms("ops", "status"), 1)
    assert "Cannot hand out: Redis does not answer since" in page
    dispatcher_says(engine)
    told(hms("ops", "status"))
    reference = late(engine)
    assert f"#{reference} is open and not acknowledged." in told(hms("ops", "status"), 1)
    told(hms("incident", "ack", reference))
    assert f"#{reference} is acknowledged and not over." in told(hms("ops", "status"))


def test_an_incident_that_reached_nobody_is_never_well(hms: Hms, engine: sa.Engine) -> None:
    """A shift of one minute a week: the hours without anybody are listed; a call in them reaches nobody."""
    with engine.connect() as connection:
        day = oncall.DAYS[(health.clock(connection).weekday() + 3) % 7]
    document = f"""
        timezone = "America/Chicago"
        recipients = {{ ada = "+13125550443" }}
        shifts = [{{ name = "rare", days = ["{day}"], from = 07:00:00, until = "07:01", recipient = "ada" }}]
        steps = [{{ after_minutes = 0, notify = ["shift:rare"] }}]
    """
    put = told(hms("oncall", "set", "-", feed=document))
    name = day.capitalize()
    for words in ("nothing reaches anybody", f"{name} 07:01 - {name} 07:00", f"ada from {name} 07:00 C"):
        assert words in put
    output = read(hms("oncall", "list", "--json"))
    assert [(gap["nobody"], gap["steps"]) for gap in output["gaps"]] == [(True, [1])]
    assert len(output["uncovered"]) == 2
    beat(engine, "ops", failed_rules=[], sender_is_local=False)
    beat(engine, "pager", sender="twilio", fault=None)
    dispatcher_says(engine)
    assert "nobody is on call" in told(hms("ops", "status")).lower()
    reference = late(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("update ops.incidents set page_from = page_from - interval '1 minute'")
    assert f"#{reference} reached nobody" in told(hms("ops", "status"), 1)


def test_a_test_page_is_put_into_the_outbox(hms: Hms, engine: sa.Engine) -> None:
    """However the phone is written, as long as it has its country."""
    assert f"on its way to {PHONE}" in told(hms("ops", "test-page", "+1 (202) 555-0142"))
    token = read(hms("ops", "test-page", PHONE, "--json", "--reason", "a new phone"))["token"]
    assert "a new phone" in told(hms("audit"))
    with engine.connect() as connection:
        result = outbox.last_pages(connection, 5)
    assert [(text.kind, text.to) for text in result] == [("test", PHONE)] * 2
    assert token.startswith("test:")


def test_thresholds_are_listed_and_changed(hms: Hms) -> None:
    """One line a rule, and one for each change, with who made it and why; `default` takes it back."""
    page = told(hms("ops", "rules"))
    assert "percent 80, steps 20" in page
    assert "set by" not in page
    words = ["ops", "rule", "stalled", "minutes"]
    changed = told(hms(*words, "10", "--queue", "shop", "--reason", "long steps"))
    assert changed.startswith("stalled: minutes is 10 (default 5) in shop")
    assert "minutes 10" in told(hms("ops", "rules", "--queue", "shop"))
    assert "minutes 5" in told(hms("ops", "rules", "--queue", "returns"))
    page = told(hms("ops", "rules"))
    assert "minutes 5" in page
    assert "long steps" in page
    assert read(hms(*words, "default", "--queue", "shop", "--json"))["value"] == 5
    assert {item["rule"] for item in read(hms("ops", "rules", "--json"))} >= {"late", "forecast", "behind"}
    narrow = told(hms("ops", "rules", COLUMNS="80"))
    assert max(map(len, narrow.splitlines())) <= 80


def test_the_report_tells_shares_and_the_worst_misses(hms: Hms, engine: sa.Engine) -> None:
    """On time, late and failed by queue and day, and where the time of the worst ones went."""
    assert "No job was due" in told(hms("sla", "report"))
    with engine.begin() as connection:
        for minutes in (-3, 5):
            connection.execute(sa.text(_ENDED), {"minutes": minutes})
    page = told(hms("sla", "report"))
    assert "50.0 %" in page
    assert "waited (" in page
    output = read(hms("sla", "report", "--week", "--json"))
    assert (output["whole"]["onTime"], output["whole"]["late"], output["zone"]) == (1, 1, "UTC")
    assert [miss["cause"] for miss in output["worst"]] == ["waited"]
    assert "No job was due" in told(hms("sla", "report", "--from", "2026-01-05", "--to", "2026-01-06"))


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("queue pause s", ["shop"]),
        ("job list --queue ret", ["returns", "returns-desk"]),
        ("job list --type shop:ret", ["shop:return:v1"]),
        ("job get job-", ["job-1"]),
        ("job cancel 1", ["1"]),
        ("incident show ", ["K1"]),
    ],
)
def test_names_are_completed(hms: Hms, engine: sa.Engine, line: str, offered: list[str]) -> None:
    """Queues, job types, jobs and incidents, as the API has them."""
    with engine.begin() as connection:
        connection.execute(sa.text(_ENDED), {"minutes": -3})
    reference = late(engine)
    words = {
        "_HMS_COMPLETE": "bash_complete",
        "COMP_WORDS": f"hms {line}",
        "COMP_CWORD": str(line.count(" ") + 1),
    }
    done = hms(**words)
    names = [item.removeprefix("plain,") for item in done.stdout.split()]
    assert names == [reference if name == "K1" else name for name in offered]


def test_nothing_is_completed_without_an_api(hms: Hms) -> None:
    """And nobody who presses Tab sees an error."""
    words = {"_HMS_COMPLETE": "bash_complete", "COMP_WORDS": "hms queue pause s", "COMP_CWORD": "3"}
    done = hms(**words, HMS_URL="http://127.0.0.1:1")
    assert (done.exit_code, done.output.strip()) == (0, "")


def test_the_report_is_told_of_one_queue_as_csv_and_as_pdf(
    hms: Hms, engine: sa.Engine, tmp_path: Path
) -> None:
    """Plain numbers for each queue, or a file; a queue that nobody knows is told, not shown as empty."""
    with engine.begin() as connection:
        for minutes in (-3, 5):
            connection.execute(sa.text(_ENDED), {"minutes": minutes})
    [row] = csv.DictReader(told(hms("sla", "report", "--csv")).splitlines())
    assert (row["queue"], row["onTime"], row["late"], row["shareOfDue"]) == ("shop", "1", "1", "0.5")
    output = read(hms("sla", "report", "--queue", "shop", "--json"))
    assert (list(output["queues"]), output["whole"]["missed"], len(output["worst"])) == (["shop"], 1, 1)
    assert "No job was due" in told(hms("sla", "report", "--queue", "returns"))
    told(hms("sla", "report", "--queue", "nowhere"), 4)
    told(hms("sla", "report", "--csv", "--json"), 2)
    path = tmp_path / "week.pdf"
    assert told(hms("sla", "report", "--week", "--queue", "shop", "--pdf", str(path))) == f"Written: {path}\n"
    assert "Deadlines met: shop" in pypdf.PdfReader(path).pages[0].extract_text()
    told(hms("sla", "report", "--queue", "nowhere", "--pdf", str(path)), 4)
    assert pypdf.PdfReader(path).metadata.title == "Deadlines met: shop"
    told(hms("sla", "report", "--pdf", str(tmp_path / "missing" / "week.pdf")), 1)
    told(hms("sla", "report", "--pdf", str(path), "--json"), 2)


def test_the_report_of_a_queue_is_told_day_by_day(hms: Hms, engine: sa.Engine) -> None:
    """Table, CSV and JSON have the same days, those of the queue alone; a day without jobs is one, too."""
    with engine.begin() as connection:
        for queue, days in itertools.product(("shop", "returns"), (0, 2)):
            connection.execute(sa.text(_ENDED), {"minutes": -3})
            connection.execute(_MOVED, {"queue": queue, "days": days})
    output = read(hms("sla", "report", "--queue", "shop", "--json"))
    lines = list(csv.DictReader(told(hms("sla", "report", "--queue", "shop", "--csv")).splitlines()))
    assert [line["from"][:10] for line in lines] == list(output["days"])
    ended = [str(counts["ended"]) for counts in output["days"].values()]
    assert [line["ended"] for line in lines] == ended
    assert [(line["onTime"], line["late"]) for line in lines if line["ended"] == "1"] == [
        ("1", "0"),
        ("0", "1"),
    ]
    assert {line["queue"] for line in lines} == {"shop"}
    assert [line["to"] for line in lines[:-1]] == [line["from"] for line in lines[1:]]
    page = told(hms("sla", "report", "--queue", "shop"))
    shown = [day for day in output["days"] if f" {day} " in page[page.index("day ") :]]
    assert shown == [day for day, counts in output["days"].items() if counts["ended"]]


@pytest.mark.parametrize(
    ("observed", "code", "says"),
    [
        ({"waiting": 9, "late": 3, "at_risk": 4}, 5, "3             4"),
        ({"waiting": 9, "at_risk": 4}, 5, "0             4"),
        ({"waiting": 9, "at_risk": 0}, 0, "Every queue is on track."),
        ({}, 0, "Every queue is on track."),
        ({"waiting": 9}, 0, "Too little has been seen of shop to tell"),
        ({"waiting": 9, "late": 3, "age": 60.0}, 1, "nobody measures"),
        (None, 1, "nobody measures"),
    ],
)
def test_what_is_at_risk_has_exit_code_5(
    hms: Hms, engine: sa.Engine, observed: dict[str, Any] | None, code: int, says: str
) -> None:
    """5 if a deadline is missed or will be; what is old or was never measured is not taken for all well."""
    if observed is not None:
        measure(engine, **observed)
    assert says in told(hms("sla", "at-risk"), code)
    output = read(hms("sla", "at-risk", "--json"), code)
    assert output == [] or output[0]["queue"] == "shop"


def test_jobs_that_have_not_ended_are_counted_alike_everywhere(
    hms: Hms, standing_api: RunningApi, engine: sa.Engine
) -> None:
    """Commands, JSON and pages say four ready, two delayed, three queued and one running, by one count."""
    with engine.begin() as connection:
        cycle = cycles.begin(connection, job_type="shop:order:v1", name="today.csv", requested_by="ann").id
        connection.execute(sa.text(JOBS), {"batch": cycle})
        counted = counts.standings(connection, health.clock(connection))["shop"]
    states = {state: getattr(counted, state) for state in ("waiting", "delayed", "queued", "running")}
    assert tuple(states.values()) == (4, 2, 3, 1)
    measure(engine, **states)
    with engine.connect() as connection:
        [card] = [card for card in overview.read(connection).cards if card.name == "shop"]

    by_name = {queue["name"]: queue for queue in read(hms("queue", "list", "--json"))}
    assert states.items() <= by_name["shop"].items()
    with OmsClient(standing_api.url, standing_api.badge("viewer")) as oms:
        assert states.items() <= document(oms.cycle(cycle).progress).items()
    assert read(hms("cycle", "report", str(cycle), "--json"))["open"] == 10
    assert list(figures_of(card).values())[:4] == ["4 ready", "2 delayed", "3 queued", "1 running"]
    once = told(hms("queue", "watch", "shop", "--once"))
    assert "4 ready, 2 delayed, 3 queued" in once
    assert re.search(r"^running +1$", once, re.MULTILINE)
    header, *rows = (line.split() for line in told(hms("queue", "list")).splitlines())
    assert header[2:6] == ["ready", "delayed", "queued", "running"]
    assert [row[2:6] for row in rows if row[:2] == ["shop", "open"]] == [["4", "2", "3", "1"]]


def test_a_queue_is_watched_once(hms: Hms, engine: sa.Engine) -> None:
    """Length, waits, throughput, what will be late; old numbers are said to be old, and pauses are told."""
    assert "Nothing was ever measured" in told(hms("queue", "watch", "shop", "--once"))
    assert read(hms("queue", "watch", "shop", "--once", "--json"))["at"] is None
    waits = Waits(mean=12.0, p50=10.0, p95=61.0, p99=70.0, begun=7, source="events")
    measure(
        engine,
        waiting=1200,
        running=8,
        late=3,
        at_risk=4,
        waits=waits,
        left=600,
        rate_now=4.0,
        forecast=_ahead(engine),
    )
    told(hms("queue", "pause", "shop", "--reason", "the roster is being changed"))
    page = told(hms("queue", "watch", "shop", "--once"))
    for words in (
        "1,200 ready",
        "mean 12.0 s, p95 1 min 1 s",
        "240 a minute now (120 in the mean of 5 min), all done in 10 min",
        "resume it, and then start workers with 12 slots",
        "waits from the events",
        "the roster is being changed",
    ):
        assert words in page
    assert "Nothing new" not in page
    document = read(hms("queue", "watch", "shop", "--once", "--json"))
    assert (document["queue"], document["metrics"]["queue.length[backlog]"]) == ("shop", 1200)
    with engine.begin() as connection:
        connection.exec_driver_sql("update ops.metrics set at = at - interval '5 minutes'")
    assert "Nothing new for 5 min" in told(hms("queue", "watch", "shop", "--once"))


def test_watching_tells_each_change_until_ctrl_c(standing_api: RunningApi, engine: sa.Engine) -> None:
    """Without a terminal a change is a line; Ctrl-C ends it without a word, with exit code 130."""
    measure(engine, waiting=7)
    process = subprocess.Popen(
        [sys.executable, "-m", "hms_floor", "queue", "watch", "shop"],
        env=standing_api.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "shop: 7 open" in process.stdout.readline()
    with engine.begin() as connection:
        connection.exec_driver_sql("update ops.metrics set at = at - interval '2 seconds'")
    measure(engine, waiting=8)
    assert any("shop: 8 open" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    assert (process.wait(10), process.stderr.read() if process.stderr else "") == (130, "")
    process.stdout.close()


def test_the_chart_has_a_bar_a_second(engine: sa.Engine) -> None:
    """What was not told of a second is what it was before; the highest bar is as high as the chart."""
    with engine.connect() as connection:
        now = health.clock(connection).replace(microsecond=0)
    chart = Chart("open jobs")
    assert chart.lines() == []
    for second, value in ((0, 4.0), (0, 8.0), (3, 0.0), (500, 1.0)):
        chart.add(now + timedelta(seconds=second), value)
        if second == 3:
            *bars, what = chart.lines()
            assert [len(line.plain) for line in bars] == [4, 4, 4, 4]
            assert what.plain == "open jobs in the last 4 s: 0 to 8"
    assert "in the last 60 s: 0 to 1" in chart.lines()[-1].plain


def test_the_trail_tells_who_changed_what_and_why(hms: Hms, engine: sa.Engine) -> None:
    """Newest first, refused attempts with the number of the answer; filters narrow it down."""
    assert told(hms("audit")) == "Nothing was changed yet.\n"
    told(hms("ops", "rule", "stalled", "minutes", "10", "--reason", "long steps"))
    told(hms("incident", "ack", "K7"), 4)
    page = told(hms("audit"))
    for words in (
        "stalled.minutes",
        "long steps",
        "set stalled.minutes to 10",
        "tried to acknowledge K7 (404)",
    ):
        assert words in page
    assert len(read(hms("audit", "--json", "--limit", "1"))) == 1
    assert len(read(hms("audit", "--json", "--subject", "stalled.minutes", "--since", "1h"))) == 1
    assert len(read(hms("audit", "--json", "--since", "999999d"))) == 2
    assert told(hms("audit", "--actor", "nobody")) == "Nothing was changed that fits.\n"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ("incident show K9", 4, "`hms incident list --all` shows them"),
        ("incident ack 99", 4, "`hms incident list --all` shows them"),
        ("incident show a/b", 2, "write K7, or its number"),
        ("incident list --queue nowhere", 4, "`hms queue list`"),
        ("incident list --state lost", 2, "acknowledged"),
        ("incident silence --for 2x --reason x", 2, "'--for'"),
        ("incident silence --for 9999999d --reason x", 2, "nothing lasts that long"),
        ("incident silence --for 2h --from yesterday --reason x", 2, "or +10m"),
        ("incident silence --for 2h --rule none --reason x", 4, "known are late"),
        ("incident silence --for 2h", 2, "--reason"),
        ("incident unsilence 99", 4, "`hms incident silences` shows them"),
        ("oncall set nowhere.toml", 2, "nowhere.toml"),
        ("ops test-page 555", 2, "write +12025550143"),
        ("ops rule none minutes 3", 4, "known are late"),
        ("ops rule stalled none 3", 4, "it has for_seconds"),
        ("ops rule stalled minutes nan", 2, "a number from 0 up nor default"),
        ("ops rules --queue nowhere", 4, "`hms queue list`"),
        ("queue watch nowhere --once", 4, "`hms queue list`"),
        ("sla report --from 2026-13-01", 2, "%Y-%m-%d"),
        ("sla report --from 2026-11-24 --to 2026-11-20", 2, "before it begins"),
        ("sla report --week --to 2026-11-20", 2, "--from"),
        ("audit --since 5x", 2, "write 90s"),
    ],
)
def test_what_cannot_be_done_is_told_with_its_code(hms: Hms, words: str, code: int, says: str) -> None:
    """2 for a wrong call, 4 for what is not there, and a sentence with what would be right."""
    assert says in told(hms(*words.split()), code)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "neither TOML nor JSON"),
        ("a = [", "neither TOML nor JSON"),
        ('{"a": NaN}', "neither TOML nor JSON"),
        ("a = nan", "neither TOML nor JSON"),
        ('{"a":' + "[" * 100_000, "neither TOML nor JSON"),
        ("a = 1", "'steps' is a required property"),
        (ROTA.replace("+1 202 555 0143", "555"), "recipients.grace: '555' is not a phone number"),
    ],
)
def test_a_faulty_on_call_document_is_told_by_its_fields(
    hms: Hms, tmp_path: Path, text: str, says: str
) -> None:
    """What cannot be read and what contradicts itself is refused, and nothing is put in force."""
    file = tmp_path / "rota"
    file.write_text(text)
    refused = told(hms("oncall", "set", str(file)), 2)
    assert says in refused
    assert "rota" in refused
    assert read(hms("oncall", "list", "--json"))["setAt"] is None


@pytest.mark.parametrize(
    "words",
    [
        "incident ack K7",
        "incident resolve K7",
        "incident silence --for 1h --reason x",
        "incident unsilence 1",
        f"ops test-page {PHONE}",
        "ops rule stalled minutes 5",
        "audit",
    ],
)
def test_a_viewer_may_look_and_no_more(hms: Hms, words: str) -> None:
    """A badge that does not allow it: exit code 3, with the roles that would, and where badges come from."""
    refused = told(hms(*words.split(), roles=("viewer",)), 3)
    assert "manager" in refused
    assert "hms badge issue" in refused


def test_without_a_badge_or_a_floor_the_way_out_is_told(hms: Hms, tmp_path: Path) -> None:
    """3 without a badge or with a bad one, 1 where no API is known or none answers."""
    empty = str(tmp_path)
    for words in ("incident list", "oncall list", "ops status", "sla at-risk", "queue watch shop", "audit"):
        call = words.split()
        assert "`hms up`" in told(hms(*call, HMS_URL=None, HMS_HOME=empty), 1)
        assert "HMS_BADGE" in told(hms(*call, HMS_HOME=empty), 3)
        assert "hms badge issue" in told(hms(*call, HMS_BADGE="x.y.z"), 3)
    away = told(hms("incident", "list", HMS_URL="http://127.0.0.1:1", HMS_BADGE="x.y.z"), 1)
    assert "cannot be reached" in away
    assert "hms up" in away


@pytest.mark.parametrize(
    ("words", "begun", "expected"),
    [
        (["incident"], "sil", {"silence", "silences"}),
        (["oncall"], "", {"channel", "list", "set"}),
        (["ops"], "", {"run", "status", "health", "test-page", "rules", "rule"}),
        (["sla"], "", {"set", "list", "history", "report", "at-risk"}),
        (["queue"], "wat", {"watch"}),
        (["incident", "list", "--state"], "re", {"resolved"}),
        (["audit"], "--su", {"--subject"}),
    ],
)
def test_tab_completes_the_verbs(words: list[str], begun: str, expected: set[str]) -> None:
    """As for the other nouns, options and their choices too."""
    shell = ShellComplete(main, {}, "hms", "_HMS_COMPLETE")
    assert {item.value for item in shell.get_completions(words, begun)} == expected


def test_the_verbs_load_no_driver_and_no_task_queue() -> None:
    """What only speaks to the API starts without the database, Redis, Celery and the server."""
    program = (
        "import sys\n"
        "from hms_floor.cli.incidents import incident, oncall, ops\n"
        "from hms_floor.cli.queues import queue_watch, sla_report\n"
        "from hms_floor.cli.access import audit\n"
        "heavy = {'celery', 'kombu', 'sqlalchemy', 'psycopg2', 'redis', 'fastapi', 'jsonschema'}\n"
        "heavy |= {'pydantic'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_texts_history_and_days_are_read_by_the_client(standing_api: RunningApi, engine: sa.Engine) -> None:
    """A text with a key is one text; days and the history of a metric come as records."""
    with client.OpsClient(standing_api.url, standing_api.badge("manager")) as ops:
        sent = ops.send_sms(PHONE, "hello", key="one")
        assert ops.send_sms(PHONE, "hello", key="one") == sent
        [text] = ops.texts(limit=5)
        assert (text.kind, text.to, text.body, text.fate) == ("message", PHONE, "hello", "pending")
        reference = late(engine)
        assert [item.reference for item in ops.texts(incident=reference)] == [reference]
        assert len(ops.sla_days("shop", 3, zone="America/Chicago")) == 3
        result = ops.history("queue.waitTime", "shop", step=3600, zone="America/Chicago")
        assert (result.name, result.unit, result.step, result.points) == (
            "queue.waitTime",
            "seconds",
            3600,
            (),
        )


def _ahead(engine: sa.Engine) -> Forecast:
    with engine.connect() as connection:
        now = health.clock(connection)
    return Forecast(
        late=4,
        first_late=now + timedelta(minutes=1),
        deadline=None,
        done_at=now + timedelta(minutes=10, seconds=5),
        rate=2.0,
        slots_needed=12,
        trusted=True,
    )


_ENDED = """
insert into oms.jobs (type, recipe_id, steps, queue, status, sla, sla_minutes, payload, requested_by,
    created_at, finished_at)
select type, id, '{pick,pack,send}', 'shop', 'done', oms.now() + make_interval(mins => :minutes), 10, '{}',
    'ann', oms.now() - interval '10 minutes', oms.now()
from oms.recipes where type = 'shop:order:v1'
"""


#: Have the newest job end in another queue, so many days earlier.
_MOVED = sa.text(
    "update oms.jobs set queue = :queue, finished_at = finished_at - make_interval(days => :days)"
    " where id = (select max(id) from oms.jobs)"
)

#: A command of each kind of listing; `{ref}` is an incident.
LISTINGS = (
    *("queue list", "queue peek shop", "worker list", "job list", "job get job-1", "job explain job-1"),
    *("cycle list", "cycle report 1", "cycle refused 1", "incident list", "incident show {ref}", "sla list"),
    *("sla history shop", "sla report", "sla at-risk", "oncall list", "audit", "ops status", "ops rules"),
    *("badge show", "check", "incident silences"),
)


def exact(text: str) -> set[str]:
    """What is read as a number, an id or a time: words with digits that would be others if they were cut."""
    words = (word.strip("(),.;:") for word in text.replace("\u2014", " ").split())
    return {word for word in words if len(word) > 3 and any(map(str.isdigit, word))}


def test_no_listing_cuts_a_number_at_any_width(hms: Hms, engine: sa.Engine, standing_api: RunningApi) -> None:
    """What stands in a narrow terminal stands in the widest one, too: nothing is cut without a mark."""
    rows = b'{"number": 1234567}\n{"number": 2345678}\n{"number": "1e"}\n'
    with ActClient(standing_api.url, standing_api.badge("manager")) as act:
        act.run_cycle(io.BytesIO(rows), "shop:order:v1", name="orders-of-the-28th-of-november-2026.ndjson")
    reference = late(engine, jobs=1_234_567)
    measure(engine, waiting=1_234_567, running=16)
    told(hms("incident", "silence", "--queue", "shop", "--for", "90m", "--reason", "a longer word or two"))
    told(hms("sla", "set", "shop", "47.5", "--reason", "the audit of 2026"))
    for words in (listing.format(ref=reference).split() for listing in LISTINGS):
        wide = hms(*words, COLUMNS="400")
        assert wide.exit_code in (0, 1), wide.output
        for width in ("0", "20", "40", "80"):
            narrow = hms(*words, COLUMNS=width)
            assert (narrow.exit_code, bool(narrow.output.strip())) == (wide.exit_code, True)
            strange = exact(narrow.output) - exact(wide.output)
            # What is told of now may have moved on meanwhile.
            strange -= exact(hms(*words, COLUMNS="400").output) if strange else set()
            # A long name goes on in the next line, behind a sign.
            long = [word for word in exact(wide.output) if len(word) > 20]
            assert [word for word in strange if not any(word in item for item in long)] == [], narrow.output
