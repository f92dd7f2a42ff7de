"""The verbs of the command line, as real programs on a real ledger."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import openpyxl
import pytest
import sqlalchemy as sa

from hms_act import cycle
from hms_oms.broker import broker_state
from hms_oms.cycles import cycles
from hms_oms.database import connections as ledger_connections
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import ledger, workers
from hms_oms.jobs.queries import read
from hms_oms.jobs.records import Completion
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes import recipes, registry
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime import settings
from tests.conftest import wait_until
from tests.support.api import standing
from tests.support.command_line import Hms, command_line

HEADER = "app_id,name,phone,county_fips,crop,acres,amount_requested,submitted_on\n"
GOOD = ["phone=515-555-0142", "countyFips=19153", "crop=corn", "submittedOn=2026-11-20"]
GOOD += ["acres=120", "amountRequested=30000"]


@pytest.fixture(scope="module")
def grant() -> Recipe:
    """The recipe that the command line's examples speak of."""
    return recipes.load_folder(settings.Settings().recipes)["farm:grant:v1"]


@pytest.fixture
def environment(database: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What `hms` needs to reach an API on the test's ledger; nobody answers as Redis."""
    urls = {"HMS_DATABASE_URL": database, "HMS_BROKER_URL": "redis://127.0.0.1:1/0"}
    with standing(
        database, urls["HMS_BROKER_URL"], tmp_path / "home", settings.Settings().recipes
    ) as api_server:
        yield {**api_server.environment(), **urls, "HMS_TIMEZONE": "America/Chicago", "NO_COLOR": "1"}


@pytest.fixture
def hms(environment: dict[str, str]) -> Hms:
    """Call `hms` without a terminal."""
    return command_line(environment)


@pytest.fixture
def queue(engine: sa.Engine, grant: Recipe) -> str:
    """The queue of the farm grants."""
    with engine.begin() as connection:
        registry.register(connection, grant)
    return grant.queue


def lines(*numbers: int | str) -> str:
    """A file of applications with these ids."""
    rows = (f"{number},Ann Lee,515-555-0142,19153,corn,120,30000,2026-11-20\n" for number in numbers)
    return HEADER + "".join(rows)


def work_off(raw: RawConnection, rejected: tuple[int, ...] = ()) -> int:
    """Be the dispatcher and the workers: bring every waiting job to its end, and return how many."""
    taken = ledger.take(raw, "farm-grant", 1000)
    for job in taken:
        for step in ("validate", "notify") if job.job in rejected else ("validate", "inspect", "notify"):
            [ticket] = ledger.claim(raw, [(_ticket(job.job, step), 60.0)], "w")
            ledger.complete(raw, [_completion(ticket.job, step, job.job in rejected)], "w")
    return len(taken)


def _ticket(job: int, step: str) -> Ticket:
    return Ticket(job, 1, step)


def _completion(job: int, step: str, rejected: bool) -> Completion:
    following = {"validate": 2 if rejected else 1, "inspect": 2, "notify": None}[step]
    result = {"accepted": False, "reasons": ["crop", "acres"]} if rejected and step == "validate" else {}
    outcome = {"validate": "rejected" if rejected else None, "inspect": "assigned"}.get(step)
    onward = "farm-grant" if following else None
    return Completion(_ticket(job, step), json.dumps(result), outcome, following, onward, False)


def test_a_job_is_started_read_and_listed(hms: Hms, queue: str) -> None:
    """A job started by hand stands in the ledger with its deadline, under its key only once."""
    words = ["job", "start", "farm:grant:v1", "appId=219", "name=Zoë", *GOOD, "--sla", "10", "--json"]
    started = json.loads(hms(*words).stdout)
    assert (started["status"], started["slaMinutes"], started["created"]) == ("waiting", 10, True)
    again = json.loads(hms(*words).stdout)
    assert (again["id"], again["created"]) == (started["id"], False)

    got = json.loads(hms("job", "get", started["id"], "--json").stdout)
    assert got["payload"]["name"] == "Zoë"
    assert [line["fact"] for line in got["timeline"]] == ["accepted"]
    assert datetime.fromisoformat(got["slaExpires"]) - datetime.fromisoformat(got["createdAt"]) == timedelta(
        minutes=10
    )
    page = hms("job", "get", started["id"])
    assert "CST (in 9 min)" in page.stdout
    assert "JST (in 9 min)" in hms("--timezone", "Asia/Tokyo", "job", "get", started["id"]).stdout
    mars = hms("--timezone", "America/Chicgo", "job", "get", started["id"])
    assert (mars.returncode, "did you mean America/Chicago?" in mars.stderr) == (2, True)
    mars = hms("job", "get", started["id"], HMS_TIMEZONE="America/Chicgo")
    assert (mars.returncode, "did you mean America/Chicago?" in mars.stderr) == (1, True)
    gap = hms("job", "delay", started["id"], "--at", "2027-03-14 02:30", "--yes")
    assert (gap.returncode, "2027-03-14 02:30 does not exist in America/Chicago" in gap.stderr) == (2, True)
    assert "\x1b" not in page.stdout

    assert hms("job", "list", "--queue", queue, "--status", "open", "--ids").stdout.split() == [started["id"]]
    assert json.loads(hms("job", "list", "--older-than", "10m", "--json").stdout) == []


def test_a_request_from_standard_input_is_completed_by_words(hms: Hms, queue: str) -> None:
    """A JSON object may come through a pipe; words on the command line go first."""
    whole = {"appId": 1, "name": "Ann", "phone": "555-0142", "countyFips": "19153", "crop": "x", "acres": 1}
    whole |= {"amountRequested": 1, "submittedOn": "2026-11-20"}
    words = ["job", "start", "farm:grant:v1", "--payload", "-", "appId=7", "--at", "+2h", "--json"]
    started = json.loads(hms(*words, feed=json.dumps(whole)).stdout)
    assert (started["payload"]["appId"], started["key"]) == (7, "7")
    assert started["readyAt"] is not None


def test_a_faulty_request_makes_no_job(hms: Hms, queue: str) -> None:
    """The call was wrong: every fault is told, and nothing is in the ledger."""
    done = hms("job", "start", "farm:grant:v1", "appId=x", "nmae=Ann")
    assert done.returncode == 2
    assert "did you mean name?" in done.stderr
    assert "not a JSON integer" in done.stderr
    assert json.loads(hms("job", "list", "--json").stdout) == []


@pytest.mark.parametrize(
    "words",
    [
        ["job", "get", "219"],
        ["queue", "peek", "nowhere"],
        ["recipe", "show", "farm:grand:v1"],
        ["sla", "set", "nowhere", "5"],
        ["sla", "history", "nowhere"],
        ["cycle", "report"],
        ["cycle", "report", "7"],
    ],
    ids=" ".join,
)
def test_what_is_not_there_has_exit_code_4(hms: Hms, words: list[str]) -> None:
    """A job, queue or cycle that nobody knows is told apart from other errors."""
    done = hms(*words)
    assert (done.returncode, done.stdout) == (4, "")
    assert "there is no" in done.stderr or "no cycle has been run" in done.stderr


def test_the_next_jobs_stand_in_the_order_of_their_deadlines(hms: Hms, queue: str) -> None:
    """A later job with an earlier deadline is peeked at first; the queue counts both."""
    for number, minutes in ((1, "60"), (2, "5")):
        hms("job", "start", "farm:grant:v1", f"appId={number}", "name=A", *GOOD, "--sla", minutes)
    peeked = json.loads(hms("queue", "peek", queue, "--json").stdout)
    assert [(job["id"], job["position"], job["status"]) for job in peeked] == [
        ("job-2", 1, "waiting"),
        ("job-1", 2, "waiting"),
    ]
    assert peeked[0]["slaExpires"] < peeked[1]["slaExpires"]
    assert peeked[0]["slaExpires"].endswith("Z")

    [listed] = json.loads(hms("queue", "list", "--json").stdout)
    assert (listed["name"], listed["waiting"], listed["workers"], listed["slots"]) == (queue, 2, 0, 0)
    assert (listed["status"], listed["slaMinutes"]) == ("open", 60)
    assert "no live worker" in hms("queue", "list").stdout


def test_an_sla_is_set_and_remembered(hms: Hms, queue: str) -> None:
    """The new SLA is in force at once, and the history keeps who set which and why."""
    assert "60 min -> 45 min" in hms("sla", "set", queue, "45", "--reason", "[fair] week").stdout
    [listed] = json.loads(hms("sla", "list", "--json").stdout)
    assert (listed["queue"], listed["minutes"], listed["reason"]) == (queue, 45, "[fair] week")
    history = json.loads(hms("sla", "history", queue, "--json").stdout)
    assert [entry["minutes"] for entry in history] == [45, 60]
    assert "[fair] week" in hms("sla", "history", queue).stdout


def test_a_cycle_is_run_to_its_report(
    environment: dict[str, str], hms: Hms, queue: str, raw: RawConnection, tmp_path: Path
) -> None:
    """A file becomes jobs; the command waits until all have ended, and prints what came of them."""
    file = tmp_path / "today.csv"
    file.write_text(lines(1, 2, 3, 2, "x", 4))
    words = ["cycle", "run", str(file), "--type", "farm:grant:v1", "--json"]
    program = [sys.executable, "-m", "hms_floor", *words]
    with subprocess.Popen(
        program, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        wait_until(lambda: work_off(raw, rejected=(2,)), "the jobs of the cycle")
        out, err = running.communicate(timeout=30)
    assert running.returncode == 6
    report = json.loads(out)
    assert len(out.splitlines()) == 1
    assert report.pop("seconds") > 0
    assert report.pop("jobsPerSecond") > 0
    assert report == {
        "batch": 1,
        "accepted": 4,
        "duplicates": 1,
        "differing": 0,
        "refused": 1,
        "done": 4,
        "failed": 0,
        "outcomes": {"assigned": 3, "rejected": 1},
        "assigned": 3,
        "rejected": 1,
        "reasons": {"acres": 1, "crop": 1},
        "onTime": 4,
        "late": 0,
        "openLate": 0,
        "onTimeShareOfEnded": 1.0,
        "onTimeShareOfDue": 1.0,
        "texts": 0,
    }
    refused = tmp_path / "today.csv.refused.csv"
    assert str(refused) in err
    header, row = csv.reader(refused.read_text(encoding="utf-8-sig").splitlines())
    assert header == ["line", "field", "reason", "original"]
    assert (row[:2], row[3]) == (["6", "app_id"], "x,Ann Lee,515-555-0142,19153,corn,120,30000,2026-11-20")

    again = json.loads(hms(*words).stdout)
    assert (again["batch"], again["accepted"], again["duplicates"]) == (2, 0, 5)
    page = hms("cycle", "report", "1").stdout
    assert "6: 4 accepted, 1 duplicate, 1 refused" in page
    assert "100 % of those due  (4 on time, 0 late)" in page
    listed = json.loads(hms("cycle", "list", "--json").stdout)
    assert [(item["batch"], item["name"]) for item in listed] == [(2, "today.csv"), (1, "today.csv")]


def test_a_dry_run_tells_what_a_cycle_would_do(hms: Hms, queue: str, tmp_path: Path) -> None:
    """New, known, differing and refused rows are told, nothing is started, the exit code says it."""
    file = tmp_path / "today.csv"
    file.write_text(lines(1, 2))
    words = ["cycle", "run", str(file), "--type", "farm:grant:v1", "--dry-run"]
    whole = hms(*words)
    assert whole.returncode == 0
    assert re.search(r"new +2\n", whole.stdout)
    assert "(nothing was started)" in whole.stdout
    assert hms("job", "start", "farm:grant:v1", "appId=1", "name=Ann Lee", *GOOD).returncode == 0
    assert hms("job", "start", "farm:grant:v1", "appId=2", "name=Bob Lee", *GOOD).returncode == 0
    file.write_text(lines(1, 2, 3, "x", "y"))
    some = hms(*words, "--json")
    answer = json.loads(some.stdout)
    assert (some.returncode, answer["rows"], answer["new"], answer["duplicates"], answer["differing"]) == (
        6,
        5,
        1,
        2,
        1,
    )
    assert [(refusal["field"], refusal["count"], refusal["lines"]) for refusal in answer["refusals"]] == [
        ("app_id", 2, [5, 6])
    ]
    [differing] = answer["differingRows"]
    assert (differing["line"], differing["job"]) == (3, "job-2")
    assert differing["differences"] == {"name": {"known": "Bob Lee", "sent": "Ann Lee"}}
    file.write_text(lines("x"))
    assert hms(*words).returncode == 7
    assert json.loads(hms("cycle", "list", "--json").stdout) == []
    assert len(json.loads(hms("job", "list", "--json").stdout)) == 2


def test_a_cycle_of_which_every_row_was_refused_has_exit_code_7(hms: Hms, queue: str, tmp_path: Path) -> None:
    """All was left; the rows can be had as a table, as CSV and as a workbook afterwards."""
    file = tmp_path / "today.csv"
    file.write_text(lines("x", "=1"))
    done = hms("cycle", "run", str(file), "--type", "farm:grant:v1")
    assert done.returncode == 7
    assert "hms cycle refused 1" in done.stdout
    page = hms("cycle", "refused", "today.csv", COLUMNS="200").stdout
    assert "must be a whole number" in page
    assert "x,Ann Lee,515-555-0142" in page
    rows = json.loads(hms("cycle", "refused", "--json").stdout)
    assert [row["line"] for row in rows] == [2, 3]
    _, _, last = csv.reader(hms("cycle", "refused", "1", "--csv").stdout.removeprefix("\ufeff").splitlines())
    assert last[3].startswith("'=1,Ann Lee")
    book = tmp_path / "refused.xlsx"
    assert hms("cycle", "refused", "1", "--output", str(book)).returncode == 0
    sheet = openpyxl.load_workbook(book).active
    assert [cell.value for cell in sheet["A"]] == ["line", 2, 3]
    assert (sheet["D3"].data_type, sheet["D3"].value[:2]) == ("s", "=1")
    assert hms("cycle", "refused", "other.csv").returncode == 4


def test_a_cycle_with_a_failed_job_has_exit_code_1(
    environment: dict[str, str], queue: str, raw: RawConnection, tmp_path: Path
) -> None:
    """The report comes all the same, and the exit code says that not all went well."""
    file = tmp_path / "today.csv"
    file.write_text(lines(1))
    words = ["cycle", "run", str(file), "--type", "farm:grant:v1"]
    program = [sys.executable, "-m", "hms_floor", *words]
    with subprocess.Popen(program, env=environment, stdout=subprocess.PIPE, text=True) as running:
        [taken] = wait_until(lambda: ledger.take(raw, queue, 1), "the job of the cycle")
        ticket = _ticket(taken.job, "validate")
        ledger.claim(raw, [(ticket, 60.0)], "w")
        ledger.fail(raw, ticket, {"type": "ValueError", "message": "no"}, retry_after=None, worker="w")
        out, _ = running.communicate(timeout=30)
    assert running.returncode == 1
    assert "hms job list --batch 1 --status failed" in out


def test_ctrl_c_stops_the_watching_and_not_the_work(
    environment: dict[str, str], queue: str, engine: sa.Engine, tmp_path: Path
) -> None:
    """The jobs of an interrupted cycle stay, and the reader is told how to look again."""
    words = [sys.executable, "-m", "hms_floor", "cycle", "run", "-", "--type", "farm:grant:v1"]
    with subprocess.Popen(
        words, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin is not None
        running.stdin.write(lines(1, 2, "x"))
        running.stdin.close()
        running.stdin = None
        wait_until(lambda: _closed(engine), "the file to be accepted")
        wait_until((tmp_path / "home" / "refused-1.csv").exists, "the refused file")
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=30)
    assert running.returncode == 130
    assert "hms cycle report 1" in err
    with engine.connect() as connection:
        assert cycles.progress(connection, 1).waiting == 2


def _closed(engine: sa.Engine) -> bool:
    with engine.connect() as connection:
        return any(batch.closed_at for batch in cycles.find(connection, 1))


def test_a_cycle_that_was_cut_off_is_finished_by_running_it_again(
    engine: sa.Engine, grant: Recipe, tmp_path: Path
) -> None:
    """What a crash left behind is there; the second run accepts the rest, and nothing twice."""
    file = tmp_path / "long.csv"
    file.write_text(lines(*range(1, cycle.PAGE + 1501)))
    with file.open("rb") as stream:
        first = cycle.accept_file(engine, grant, stream, name="long.csv", requested_by="test")
        opened, page = next(first), next(first)
        assert isinstance(opened, cycles.Cycle)
        assert isinstance(page, cycles.Cycle)
        assert (opened.accepted, page.accepted, page.closed_at) == (0, cycle.PAGE, None)
        first.close()  # type: ignore[attr-defined]
    with file.open("rb") as stream:
        *_, whole = cycle.accept_file(engine, grant, stream, name="long.csv", requested_by="test")
    assert isinstance(whole, cycles.Cycle)
    assert (whole.accepted, whole.duplicates) == (1500, cycle.PAGE)
    assert whole.closed_at is not None
    with engine.connect() as connection:
        assert read.count(connection, read.Filter()) == cycle.PAGE + 1500


def test_late_jobs_are_counted_open_or_ended(
    engine: sa.Engine, raw: RawConnection, grant: Recipe, tmp_path: Path, forward: Callable[[timedelta], None]
) -> None:
    """A job is late once its deadline is over, whether it has ended by then or not."""
    file = tmp_path / "file.csv"
    file.write_text(lines(1, 2))
    with file.open("rb") as stream:
        *_, batch = cycle.accept_file(engine, grant, stream, name="f", requested_by="t", sla_minutes=10)
    assert isinstance(batch, cycles.Cycle)
    [taken] = ledger.take(raw, "farm-grant", 1)
    forward(timedelta(minutes=11))
    for step in ("validate", "inspect", "notify"):
        ledger.claim(raw, [(_ticket(taken.job, step), 60.0)], "w")
        ledger.complete(raw, [_completion(taken.job, step, False)], "w")
    with engine.connect() as connection:
        report = cycles.report(connection, batch.id)
    assert (report.deadlines.on_time, report.progress.late, report.progress.open, report.lost) == (0, 2, 1, 0)
    assert report.wait is not None
    assert report.wait[0] >= timedelta(minutes=11)


def test_a_file_that_is_no_list_makes_no_cycle(hms: Hms, queue: str, tmp_path: Path) -> None:
    """What is missing is told, and the ledger holds no empty cycle."""
    file = tmp_path / "wrong.csv"
    file.write_text("id,name\n1,Ann\n")
    done = hms("cycle", "run", str(file), "--type", "farm:grant:v1")
    assert done.returncode == 1
    assert "wrong.csv cannot be read" in done.stderr
    assert "the column app_id is missing" in done.stderr
    assert json.loads(hms("cycle", "list", "--json").stdout) == []


def test_a_sample_comes_out_of_standard_output_or_into_a_file(hms: Hms, tmp_path: Path) -> None:
    """The same seed gives the same applications, wherever they go."""
    hms("cycle", "sample", "20", "--seed", "7", "--output", str(tmp_path / "s.csv"))
    printed = hms("cycle", "sample", "20", "--seed", "7").stdout
    assert printed == (tmp_path / "s.csv").read_text(encoding="utf-8")
    assert printed.startswith(HEADER)


def test_check_tells_what_does_not_answer(hms: Hms, queue: str) -> None:
    """Each thing that is not well is named with what to do, and the exit code says so too."""
    done = hms("check", "--json")
    assert done.returncode == 1
    answer = {finding["name"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert (answer["PostgreSQL"]["ok"], answer["migration"]["ok"], answer["texts"]["ok"]) == (
        True,
        True,
        True,
    )
    assert not answer["Redis"]["ok"]
    assert "hms act run" in answer["dispatcher"]["advice"]
    assert "validate, inspect, notify" in answer["steps of farm:grant:v1"]["detail"]
    page = hms("check").stdout
    assert "✓ ok" in page
    assert "✗ fail" in page


def test_check_finds_a_dispatcher_and_live_workers(hms: Hms, database: str, grant: Recipe) -> None:
    """The dispatcher is known by its report, a worker by its heartbeat."""
    leader = ledger_connections.connect(database, "test")
    broker_state.report(leader, None)
    steps = [step.run for step in grant.steps]
    beat = workers.Beat("w@h/1", "w@h", "h", 1, "threads", 8, ["farm-grant"], steps, [], 1.0, 1 << 20)
    workers.beat(leader, beat)
    answer = {finding["name"]: finding for finding in json.loads(hms("check", "--json").stdout)["findings"]}
    leader.close()
    assert answer["dispatcher"]["ok"]
    assert not answer["watch"]["ok"]
    assert "8 slots" in answer["worker w@h"]["detail"]
    assert answer["steps of farm:grant:v1"]["ok"]


def test_without_a_database_or_an_api_each_verb_says_so(hms: Hms) -> None:
    """What does not answer is told without a traceback, without a password and without a badge."""
    nowhere = {"HMS_DATABASE_URL": "postgresql://ann:hunter2@127.0.0.1:1/hms"}
    nowhere |= {"HMS_URL": "http://127.0.0.1:1", "HMS_BADGE": "hunter2"}
    for words in (["queue", "list"], ["check"], ["db", "migrate"]):
        done = hms(*words, **nowhere)
        assert done.returncode == 1
        assert "Connection refused" in done.stdout + done.stderr
        assert "hunter2" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


def test_an_empty_database_is_prepared_by_db_migrate(hms: Hms, database: str) -> None:
    """Verbs ask for `hms db migrate`; it says what it did, and afterwards they work."""
    with ledger_connections.engine(database).begin() as connection:
        for what in ("schema ops, oms cascade", "schema farm cascade", "table hms_revision"):
            connection.exec_driver_sql(f"drop {what}")
    asked = hms("queue", "list")
    assert asked.returncode == 1
    assert "hms db migrate" in asked.stderr
    assert hms("db", "status").returncode == 1
    done = hms("db", "migrate", "--json")
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["before"] is None
    assert answer["inspectors"] >= 100
    assert hms("db", "status").returncode == 0
    slas = {entry["queue"]: entry["minutes"] for entry in json.loads(hms("sla", "list", "--json").stdout)}
    assert slas["farm-grant"] == 60


def test_faulty_settings_are_told_all_at_once(hms: Hms) -> None:
    """A misspelt name and a malformed value come in one message."""
    done = hms("queue", "list", HMS_BROKR_URL="x", HMS_WORKERS="many")
    assert done.returncode == 1
    assert "HMS_BROKER_URL" in done.stderr
    assert "HMS_WORKERS" in done.stderr
    assert hms("check", HMS_WORKERS="many").returncode == 1


def test_without_a_badge_that_allows_it_the_exit_code_is_3(
    hms: Hms, environment: dict[str, str], queue: str, tmp_path: Path
) -> None:
    """No badge at all, one that is none, and one without the role: told apart from other errors."""
    nobody = {"HMS_HOME": str(tmp_path / "elsewhere")}
    asked = hms("queue", "list", **nobody)
    assert (asked.returncode, asked.stdout) == (3, "")
    assert "HMS_BADGE" in asked.stderr
    assert hms("queue", "list", HMS_BADGE="no.badge.really", **nobody).returncode == 3
    viewer = hms("badge", "issue", "--actor", "ann@example.gov", "--role", "viewer").stdout.strip()
    assert hms("queue", "list", HMS_BADGE=viewer, **nobody).returncode == 0
    refused = hms("queue", "pause", queue, HMS_BADGE=viewer, **nobody)
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "manager" in refused.stderr
    assert viewer not in refused.stderr
