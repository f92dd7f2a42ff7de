"""`hms simulate`: policies side by side, from a CSV file, a workload log, or a day of the ledger."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import sys
from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import ledger
from hms_oms.jobs.queries import days
from hms_oms.jobs.records import Completion
from hms_oms.jobs.tickets import Ticket
from hms_oms.order.arrivals import UnreadableArrivals, read
from hms_oms.recipes.recipes import Recipe
from tests.support import command_line

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "order.md"

run = command_line.results("simulate")


def test_what_the_guide_shows_is_what_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of docs/order.md that needs no ledger works, and the table is the one printed there."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "arrivals.csv").write_bytes((ROOT / "docs" / "arrivals.csv").read_bytes())
    monkeypatch.chdir(tmp_path)
    guide = GUIDE.read_text(encoding="utf-8")
    commands = [shlex.split(line) for line in re.findall(r"^\$ hms simulate (.+)$", guide, re.MULTILINE)]
    outputs = [run(*words) for words in commands if "--queue" not in words]
    assert [output.exit_code for output in outputs] == [0] * 4
    [table] = re.findall(r"^```\n(240 jobs.+?)\n```$", guide, re.MULTILINE | re.DOTALL)
    assert table.splitlines() == [line.rstrip() for line in outputs[0].output.splitlines()]
    assert (tmp_path / "arrivals.png").read_bytes().startswith(b"\x89PNG")


def test_the_json_has_each_policy_and_the_bound() -> None:
    """The plan has more on time than the others, and no more than the bound."""
    document = json.loads(run(str(ROOT / "docs" / "arrivals.csv"), "--workers", "2", "--json").stdout)
    shares = {entry["policy"]: entry["share"] for entry in document["policies"]}
    assert document["jobs"] == 240
    assert shares["most-on-time"] > 1.5 * max(shares["deadline"], shares["fifo"])
    assert shares["most-on-time"] <= document["bound"]["share"] < 1


def test_a_chart_without_its_library_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line for pip is told before anything is simulated."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    output = run(str(ROOT / "docs" / "arrivals.csv"), "--workers", "2", "--chart", str(tmp_path / "a.png"))
    assert output.exit_code == 1
    assert "pip install 'hms-management-layer[chart]'" in output.output


def test_a_workload_log_is_read(tmp_path: Path) -> None:
    """Jobs that never ran are passed over and counted; deadlines come of the SLA."""
    log = tmp_path / "log.swf.gz"
    rows = [
        f"{n} {60 * n} 0 {-1 if n == 3 else 30} 1 -1 -1 1 100 -1 1 7 1 {n % 2} 1 1 -1 -1" for n in range(8)
    ]
    log.write_bytes(gzip.compress("\n".join(["; Version: 2.2", *rows]).encode()))
    output = run(str(log), "--workers", "1", "--sla", "1", "--json")
    document = json.loads(output.stdout)
    assert (document["jobs"], document["passedOver"], document["bound"]["onTime"]) == (7, 1, 7)
    assert "give its jobs an SLA with --sla" in run(str(log), "--workers", "1").output


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "there is no job in it"),
        ("arrival,deadline\n1,2\n", "line 1: there is no column service"),
        ("arrival,service\n1,2\n", "line 1: there is no column deadline; or give all jobs one SLA"),
        (
            "arrival,service,deadline\n1,2,9\n1,-2,9\n",
            "line 3: service '-2' is not a number of seconds above 0",
        ),
        ("arrival,service,deadline\nsoon,2,9\n", "line 2: arrival 'soon' is neither seconds nor a date"),
        ("arrival,service,deadline\n1,2,\n", "line 2: there is no deadline"),
        ("arrival,service,deadline\nnan,2,9\n", "line 2: arrival 'nan' is no moment"),
        ("arrival,service,deadline\n0,2,1e308\n", "line 2: deadline '1e308' is no moment"),
        ("arrival,service,deadline\n0,1e308,9\n", "line 2: service '1e308' is not a number"),
        (f"arrival,service,deadline\n0,1,{'9' * 200_000}\n", "line 2: field larger than field limit"),
    ],
)
def test_a_file_that_cannot_be_read_says_where_and_why(text: str, fault: str) -> None:
    """The line is that of the file."""
    with pytest.raises(UnreadableArrivals, match=re.escape(fault)):
        read(text.splitlines(), None)


@pytest.mark.parametrize("number", ["nan", "inf", "1e308"])
def test_a_log_with_times_that_are_none_says_where(number: str) -> None:
    """Neither simulator nor sums see them."""
    with pytest.raises(UnreadableArrivals, match="line 1: its times are none"):
        read([" ".join([number] * 18)], 60.0)


def test_moments_are_seconds_or_dates_with_a_zone() -> None:
    """Without a zone they are UTC; `must` and `type` are read if they are there."""
    rows = [
        "Arrival,service,deadline,type,must",
        "2026-11-23T08:00:00-05:00,5,2026-11-23T13:10:00,form,yes",
    ]
    [job] = read(rows, None).jobs
    assert (job.deadline - job.arrival, job.service, job.kind, job.must) == (600.0, 5.0, "form", True)


def test_a_call_that_names_no_jobs_or_two_kinds_is_refused() -> None:
    """A file or a day of a queue, not neither and not both."""
    for words in ((), ("--queue", "shop"), (str(GUIDE), "--queue", "shop", "--day", "2026-11-23")):
        output = run("--workers", "2", *words)
        assert output.exit_code == 2
        assert "Name a FILE, or a day of the ledger" in output.output


def test_a_day_of_the_ledger_is_replayed(
    monkeypatch: pytest.MonkeyPatch,
    database: str,
    broker: str,
    engine: sa.Engine,
    raw: RawConnection,
    shop: Recipe,
    forward: Callable[[timedelta], None],
) -> None:
    """The time of a job is what its steps have held slots for, not how long it waited between them."""
    with engine.begin() as connection:
        accept.accept_many(connection, shop, [{"number": 1}, {"number": 2}], requested_by="test")
        today = connection.execute(
            sa.text("select date_trunc('day', min(created_at at time zone 'UTC')) from oms.jobs")
        ).scalar_one()
    job = ledger.take(raw, "shop", 1)[0].job
    for position, step in enumerate(["pick", "pack", "send"]):
        forward(timedelta(seconds=50))
        ticket = Ticket(job, 1, step)
        assert ledger.claim(raw, [(ticket, 600.0)], "w")
        forward(timedelta(seconds=10 * (position + 1)))
        following = position + 1 if position < 2 else None
        report = Completion(ticket, "{}", None, following, "shop" if following else None, False)
        assert ledger.complete(raw, [report], "w")
        ledger.take(raw, "shop", 1)
    with engine.connect() as connection:
        jobs = days.read(connection, "shop", today.replace(tzinfo=UTC))
    assert jobs.passed_over == 1
    [replayed] = jobs.jobs
    assert replayed.service == pytest.approx(60.0, abs=5.0)
    assert replayed.deadline - replayed.arrival == pytest.approx(1800.0)
    monkeypatch.setenv("HMS_DATABASE_URL", database)
    monkeypatch.setenv("HMS_BROKER_URL", broker)
    monkeypatch.setenv("TZ", "UTC")
    words = ("--queue", "shop", "--day", f"{today:%Y-%m-%d}", "--workers", "1")
    assert run(*words).output.startswith("1 job, 1 min")
    assert "no job that was accepted on 2020-01-01" in run(*words[:3], "2020-01-01", *words[4:]).output
