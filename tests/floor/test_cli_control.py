"""The verbs with which a person steers jobs and queues, as real programs on a real ledger."""

from __future__ import annotations

import functools
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_floor.presentation import overview
from hms_oms.api.filter import CONFIRM_ABOVE
from hms_oms.broker import broker_state
from hms_oms.database.connections import RawConnection
from hms_oms.database.refusals import SILENT
from hms_oms.database.schema import tables
from hms_oms.jobs import commands, ledger, workers
from hms_oms.jobs.queries import read
from hms_oms.jobs.tickets import Ticket
from hms_oms.queues import dispatch_windows
from hms_oms.recipes.recipes import Recipe
from tests.conftest import Programs, wait_until
from tests.oms.test_bands import give_up
from tests.oms.test_ledger import claim, facts, look, order
from tests.ops.test_ends import measured
from tests.support.api import standing
from tests.support.command_line import Hms, command_line

PROGRAM = [sys.executable, "-m", "hms_floor"]
#: An API that changes five hundred jobs in a transaction, rather than ten thousand.
SMALL_PAGES = (
    "from hms_floor.api.routes.jobs import bulk; from hms_floor.cli import main; bulk.PAGE = 500; main()"
)


@pytest.fixture
def environment(database: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What `hms` needs to reach an API on the test's ledger; nobody answers as Redis."""
    urls = {"HMS_DATABASE_URL": database, "HMS_BROKER_URL": "redis://127.0.0.1:1/0"}
    with standing(database, urls["HMS_BROKER_URL"], tmp_path / "home") as api_server:
        yield {**api_server.environment(), **urls, "HMS_TIMEZONE": "America/Chicago", "NO_COLOR": "1"}


@pytest.fixture
def hms(environment: dict[str, str]) -> Hms:
    """Call `hms` without a terminal."""
    return command_line(environment)


def orders(engine: sa.Engine, shop: Recipe, number: int) -> list[int]:
    """Accept so many orders and return their ids."""
    return [order(engine, shop, item + 1).id for item in range(number)]


def crowd(engine: sa.Engine, shop: Recipe, number: int) -> None:
    """Have the ledger hold so many orders, all alike."""
    first = order(engine, shop).id
    others = ", ".join(column.name for column in tables.jobs.columns if column.name not in ("id", "key"))
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                f"insert into oms.jobs ({others}) select {others}"
                " from oms.jobs, generate_series(2, :number) where id = :first"
            ),
            {"number": number, "first": first},
        )


def fail(raw: RawConnection, job: int) -> None:
    """Have a job fail for good in its first step."""
    ledger.take(raw, "shop", 1)
    claim(raw, job, "pick")
    error = {"type": "ValueError", "message": "no such shelf"}
    ledger.fail(raw, Ticket(job, 1, "pick"), error, retry_after=None, worker="w")


def told(done: subprocess.CompletedProcess[str]) -> Any:
    """The JSON that a command has printed."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_named_jobs_are_cancelled_and_the_others_told(
    hms: Hms, engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """Of jobs named one by one those that can be are cancelled; an id that nobody has stops it all."""
    failed, first, second = orders(engine, shop, 3)
    fail(raw, failed)
    done = hms("job", "cancel", str(first), "job-999", f"job-{failed}")
    assert done.returncode == 4
    assert "there is no job-999; nothing was changed" in done.stderr
    assert look(engine, first).status == "waiting"

    done = hms("job", "cancel", f"job-{first}", str(second), f"job-{failed}", "--reason", "[rain]")
    assert (done.returncode, done.stdout) == (6, "2 of 3 cancelled; 1 had ended already.\n")
    with engine.connect() as connection:
        last = read.event_log(connection, first)[-1]
    assert (last.fact, (last.detail or {})["reason"]) == ("cancelled", "[rain]")


def test_ids_come_from_standard_input(hms: Hms, engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """What `hms job list --ids` prints may be piped into a verb, which asks unless it is told --yes."""
    failed, _ = orders(engine, shop, 2)
    fail(raw, failed)
    ids = hms("job", "list", "--ids").stdout
    done = hms("job", "retry", "-", feed=ids)
    assert done.returncode == 2
    assert "Retry 1 job (2 are meant" in done.stderr
    assert "There is no terminal to ask at" in done.stderr
    done = hms("job", "retry", "-", "--yes", feed=ids)
    assert (done.returncode, done.stdout) == (6, "1 of 2 tried again; 1 had not failed.\n")
    assert facts(engine, failed)[-1] == "revived"
    assert told(hms("job", "retry", "-", "--json"))["matched"] == 0


@pytest.fixture
def paging(database: str, tmp_path: Path) -> Iterator[Hms]:
    """Call `hms` with an API that takes small pages."""
    broker = "redis://127.0.0.1:1/0"
    with standing(
        database, broker, tmp_path / "home", program=("-c", SMALL_PAGES, "floor", "run")
    ) as api_server:
        yield command_line({**api_server.environment(), "HMS_DATABASE_URL": database})


def test_a_filter_is_counted_first_and_never_limited(paging: Hms, engine: sa.Engine, shop: Recipe) -> None:
    """All that a filter means is changed, over more than one page, once it is confirmed."""
    hms = paging
    crowd(engine, shop, 1_020)
    done = hms("job", "cancel", "--queue", "shop", "--status", "open")
    assert done.returncode == 2
    assert "Cancel 1,020 jobs?" in done.stderr
    assert "give --count 1020 and --reason" in done.stderr
    assert hms("job", "cancel", "--queue", "shop", "--yes").returncode == 2
    sure = ("--reason", "flood", "--count", "1020")
    done = hms("job", "cancel", "--queue", "shop", *sure)
    assert (done.returncode, done.stdout) == (0, "1,020 of 1,020 cancelled.\n")
    ref = re.search(r"^Undo within 30 s: hms undo (\d+)$", done.stderr, re.MULTILINE)
    assert ref
    assert hms("undo", ref[1]).stdout == "Undone: the cancellation of 1,020 jobs.\n"
    assert hms("job", "cancel", "--queue", "shop", *sure).returncode == 0
    again = told(hms("job", "cancel", "--queue", "shop", "--json"))
    assert again == {
        "matched": 1_020,
        "changed": 0,
        "jobs": [],
        "unchanged": {"cancelled": 1_020},
        "undo": [],
        "running": [],
    }
    assert hms("job", "cancel", "--queue", "nowhere", "--yes").returncode == 4


def test_at_a_terminal_it_asks(
    environment: dict[str, str], engine: sa.Engine, database: str, shop: Recipe
) -> None:
    """Only a yes goes on; anything else changes nothing and says so by exit code 1."""
    [job] = orders(engine, shop, 1)
    for answer, code, status in ((b"\n", 1, "waiting"), (b"y\n", 0, "cancelled")):
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [*PROGRAM, "job", "cancel", "--type", "shop:order:v1"],
            env=environment,
            stdin=theirs,
            stderr=theirs,
            stdout=subprocess.DEVNULL,
        ) as running:
            os.write(ours, answer)
            running.wait(timeout=30)
            shown = os.read(ours, 4096)
        os.close(theirs)
        os.close(ours)
        assert b"Cancel 1 job? [y/N]" in shown
        assert running.returncode == code
        assert look(engine, job).status == status


def test_at_a_terminal_the_number_is_typed(
    environment: dict[str, str], engine: sa.Engine, database: str, shop: Recipe
) -> None:
    """Above the threshold the reason and the number are asked for; another number changes nothing."""
    crowd(engine, shop, CONFIRM_ABOVE + 1)
    for typed, code, status in ((b"flood\n100\n", 1, "waiting"), (b"flood\n101\n", 0, "cancelled")):
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [*PROGRAM, "job", "cancel", "--queue", "shop"],
            env=environment,
            stdin=theirs,
            stderr=theirs,
            stdout=subprocess.DEVNULL,
        ) as running:
            os.write(ours, typed)
            running.wait(timeout=30)
            shown = os.read(ours, 4096)
        os.close(theirs)
        os.close(ours)
        assert b"Cancel 101 jobs: why?" in shown
        assert b"Type 101 to go on:" in shown
        assert running.returncode == code
        assert look(engine, 1).status == status
    with engine.connect() as connection:
        assert (read.event_log(connection, 1)[-1].detail or {})["reason"] == "flood"


def test_a_cancelled_job_is_reinstated(hms: Hms, engine: sa.Engine, shop: Recipe) -> None:
    """By id, from standard input and by a filter; the job that has its key now is named."""
    first, second, third = orders(engine, shop, 3)
    hms("job", "cancel", str(first), str(second), str(third))
    done = hms("job", "reinstate", str(first), "--reason", "a mistake")
    assert (done.returncode, done.stdout) == (0, f"job-{first} reinstated.\n")
    assert look(engine, first).status == "waiting"
    started = hms("job", "start", "shop:order:v1", "number=2").stdout
    assert f"It replaces job-{second}, which had the same key and was cancelled." in started
    newest = f"job-{third + 1}"
    assert f"{newest}, which has its key" in hms("job", "get", str(second)).stdout
    assert f"{newest} has its key now" in hms("job", "explain", str(second)).stdout
    assert f"hms job reinstate job-{third}" in hms("job", "explain", str(third)).stdout
    done = hms("job", "reinstate", "-", "--yes", feed=f"{second} {third}")
    assert done.stdout == "1 of 2 reinstated; 1 stayed cancelled.\n"
    assert f"{newest} has the key of job-{second}" in done.stderr
    assert told(hms("job", "reinstate", "--status", "cancelled", "--yes", "--json"))["changed"] == 0


def test_ones_own_last_change_is_undone(hms: Hms, engine: sa.Engine, shop: Recipe) -> None:
    """Without a number it is the last one; each verb says how to undo it; in the end there is none."""
    [job] = orders(engine, shop, 1)
    hms("queue", "limit", "shop", "--per-minute", "60")
    for words in (
        ("queue", "pause", "shop"),
        ("sla", "set", "shop", "5"),
        ("job", "priority", str(job), "--to", "7"),
    ):
        assert "Undo within 30 s: hms undo" in hms(*words).stderr
    assert hms("undo").stdout == f"Undone: the change of priority of job-{job}.\n"
    assert hms("undo").stdout == "Undone: the change of the SLA of shop.\n"
    assert hms("undo").stdout == "Undone: the pause of shop.\n"
    assert told(hms("undo", "--json"))["message"] == "Undone: the change of the limits of shop."
    none = hms("undo")
    assert (none.returncode, "nothing of yours can be undone" in none.stderr) == (4, True)
    again = hms("undo", "1")
    assert (again.returncode, "was undone already" in again.stderr) == (1, True)


def test_the_order_is_changed(hms: Hms, engine: sa.Engine, shop: Recipe) -> None:
    """Promoted jobs stand in the order given, in front of what has a priority; delayed ones step aside."""
    first, second, third, fourth = orders(engine, shop, 4)
    assert told(hms("job", "priority", str(first), "--to", "7", "--json"))["changed"] == 1
    assert hms("job", "promote", str(fourth), str(third)).stdout == "2 of 2 promoted.\n"
    with engine.connect() as connection:
        peeked = [job.id for job in read.peek(connection, "shop", 10)]
    assert peeked == [fourth, third, first, second]

    assert f"job-{fourth} delayed until" in hms("job", "delay", str(fourth), "--at", "+10m").stdout
    assert look(engine, fourth).ready_at is not None
    hms("job", "delay", str(fourth), "--at", "now")
    assert look(engine, fourth).ready_at is None
    assert hms("job", "delay", str(fourth), "--at", "yesterday").returncode == 2

    with engine.begin() as connection:
        connection.execute(sa.text("insert into oms.queues (name) values ('annex')"))
    assert (
        hms("job", "move", "--queue", "shop", "--to", "annex", "--yes").stdout == "4 of 4 moved to annex.\n"
    )
    assert look(engine, second).queue == "annex"
    assert hms("job", "move", str(second), "--to", "nowhere").returncode == 4


def test_a_queue_is_paused_limited_and_resumed(
    hms: Hms, engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """A pause calls the window back and tells why; a limit that is not named stays as it was."""
    orders(engine, shop, 2)
    ledger.take(raw, "shop", 2)
    tried = hms("queue", "pause", "shop", "--dry-run").stdout
    assert tried.startswith(
        "shop would be paused, and go on in ten minutes. Nothing was changed.\nNo forecast"
    )
    paused = told(hms("queue", "pause", "shop", "--reason", "harvest", "--json"))
    assert paused.pop("undo")["seconds"] > 25
    assert (paused["status"], paused["recalled"], paused["dryRun"]) == ("paused", 2, False)
    assert "harvest" in hms("queue", "list").stdout
    assert hms("queue", "resume", "shop", "--reason", "mown").stdout == "shop goes on.\n"
    assert hms("queue", "pause", "nowhere").returncode == 4

    hms("queue", "limit", "shop", "--window", "0", "--per-minute", "30", "--reason", "frost")
    with engine.connect() as connection:
        reasons = connection.scalars(sa.text("select reason from oms.audit order by id")).all()
    assert [reason for reason in reasons if reason][-3:] == ["harvest", "mown", "frost"]
    limited = told(hms("queue", "limit", "shop", "--window", "none", "--json"))
    assert limited.items() >= {"queue": "shop", "window": None, "startsPerMinute": 30}.items()
    assert hms("queue", "limit", "shop", "--per-minute", "0").returncode == 2


def test_a_job_is_explained(hms: Hms, engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """The sentences say where it stands, who paused the queue and why, and what would help."""
    ahead, job = orders(engine, shop, 2)
    broker_state.report(raw, SILENT)
    with engine.begin() as connection:
        commands.pause(connection, "shop", who="boss", reason="harvest")
    page = hms("job", "explain", str(job)).stdout
    assert f"job-{job} has been ready in shop" in page
    assert "Nothing is handed out: Redis does not answer." in page
    assert "shop is paused by boss since" in page
    assert ": harvest." in page
    assert "number 2 of 2 in the backlog: 1 is ahead of it" in page
    assert "No live worker serves shop" in page
    assert "No dispatcher is running" in page
    assert "Its deadline is" in page

    with engine.begin() as connection:
        commands.resume(connection, "shop")
    ledger.take(raw, "shop", 1)
    claim(raw, ahead, "pick")
    ledger.fail(raw, Ticket(ahead, 1, "pick"), {"type": "E", "message": "no"}, retry_after=600.0, worker="w")
    explained = told(hms("job", "explain", str(ahead), "--json"))
    assert (explained["failures"], explained["attemptsAllowed"]) == (1, 3)
    assert any("failure 1 of 3 was E: no" in sentence for sentence in explained["because"])
    assert hms("job", "explain", "999").returncode == 4


def test_a_change_is_tried_first(hms: Hms, engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Each tells who would be late because of it, and changes nothing; ids may come by a filter."""
    first, second = orders(engine, shop, 2)
    measured(engine, raw, slots=1)
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.jobs set sla = oms.now() + interval '100 s' where id = 1")
        connection.exec_driver_sql("update oms.jobs set due = sla")
    tried = hms("job", "promote", str(second), "--dry-run", COLUMNS="200").stdout
    assert tried == (
        "1 of 1 would be promoted. Nothing was changed.\n"
        "shop: now 100 % of 2 open jobs will be on time (0 late);"
        " with this 50.0 % of 2 open jobs will be on time (1 late)."
        f" 1 would be late because of it: job-{first}.\n"
    )
    tried = told(hms("job", "cancel", "--queue", "shop", "--dry-run", "--json"))
    assert (tried["able"], tried["effects"][0]["after"]["open"], tried["unmeasured"]) == (2, 0, [])
    tried = hms("job", "cancel", "--queue", "shop", "--status", "running", "--dry-run").stdout
    assert tried == "0 of 0 would be cancelled. Nothing was changed.\n"
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.jobs set ready_at = oms.now() + interval '1 h'")
    paused = hms("queue", "pause", "shop", "--dry-run", COLUMNS="200").stdout
    assert "No job of shop is ready for a worker, queued or running, so none would be late" in paused
    with engine.begin() as connection:
        connection.exec_driver_sql("update oms.jobs set ready_at = null")
    assert "with this" in hms("job", "priority", str(first), "--to", "-1", "--dry-run", COLUMNS="200").stdout
    assert "No difference for shop" in hms("queue", "policy", "shop", "fifo", "--dry-run").stdout
    assert "(2 late)" in hms("queue", "limit", "shop", "--window", "0", "--dry-run", COLUMNS="200").stdout
    quoted = hms("job", "quote", shop.type, "number=7", "--sla", "60", COLUMNS="300")
    assert quoted.returncode == 0
    assert ", and that holds: it would end " in quoted.stdout
    quoted = hms("job", "quote", shop.type, "number=7", "--sla", "1", COLUMNS="300")
    assert quoted.returncode == 5
    assert ", and that is at risk" in quoted.stdout
    assert "The earliest that can be promised is " in quoted.stdout
    ahead = hms("queue", "forecast", "shop", "--workers", "2", COLUMNS="300").stdout
    assert "with 2" in ahead
    assert "1 worker (1 slot) keeps each deadline that can be kept on average" in ahead
    with engine.connect() as connection:
        assert [job.priority for job in read.peek(connection, "shop", 3)] == [0, 0]
    assert told(hms("queue", "limit", "shop", "--json"))["window"] is None


def test_a_job_is_held_until_its_applicant_answers(hms: Hms, engine: sa.Engine, shop: Recipe) -> None:
    """What to do next is told; it is counted and listed as held."""
    job = f"job-{order(engine, shop).id}"
    assert hms("job", "hold", job).returncode == 2
    assert f"hms job answer {job}" in hms("job", "hold", job, "--until-answer", "--reason", "the map").stdout
    assert ", and later by the time that it is held" in hms("job", "get", job, COLUMNS="200").stdout
    assert hms("job", "list", "--held", "--ids").stdout == f"{job}\n"
    assert told(hms("queue", "show", "shop", "--json"))["held"] == 1
    assert f"{job} goes on, due " in hms("job", "answer", job).stdout
    assert hms("job", "answer", job).returncode == 1


def test_what_was_given_up_is_told_and_found(hms: Hms, engine: sa.Engine, shop: Recipe) -> None:
    """How many, since when and why; which they are; and that a hand wins, also in bulk."""
    first, second, third = orders(engine, shop, 3)
    give_up(engine, first, second)
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into oms.backlog_plans values ('shop', oms.now(), 3, 5400, 2, 2, 1, 3600, oms.now())"
            )
        )
    sheet = hms("queue", "show", "shop", COLUMNS="300").stdout
    assert "1 h 30 min of work in 3 waiting jobs is more than 2 slots can do before all deadlines" in sheet
    assert "1 of them would be late even if it were next" in sheet
    assert "most-on-time: goes by deadline; when not all can be on time, the fewest are given up" in sheet
    shown = told(hms("queue", "show", "shop", "--json"))
    assert (shown["givenUp"], shown["policy"]) == (2, "most-on-time")
    assert shown["givenUpSince"]
    explained = told(hms("job", "explain", str(first), "--json"))
    assert (explained["givenUp"], explained["position"]) == (True, 2)
    assert any("It was given up" in sentence for sentence in explained["because"])
    assert f"job-{first}\njob-{second}\n" == "".join(
        sorted(hms("job", "list", "--given-up", "--ids").stdout.splitlines(keepends=True))
    )
    assert "given up" in hms("job", "list", "--queue", "shop", COLUMNS="200").stdout
    # Nobody works, so the third one will be late as well; by deadline it is the last.
    assert hms("job", "list", "--at-risk", "--ids").stdout.split()[2] == f"job-{third}"
    assert "not before something changes" in hms("job", "list", "--at-risk", COLUMNS="200").stdout
    assert "not before something changes" in hms("job", "get", str(third), COLUMNS="200").stdout
    assert "at once   no limit" in hms("queue", "show", "shop").stdout
    assert told(hms("job", "promote", "--given-up", "--yes", "--json"))["changed"] == 2
    with engine.connect() as connection:
        assert [job.id for job in read.peek(connection, "shop", 3)][2] == third
    assert told(hms("job", "priority", "--at-risk", "--to", "0", "--yes", "--json"))["matched"] == 3
    set_to = hms("queue", "policy", "shop", "deadline", "--reason", "in turn").stdout
    assert "shop has the policy deadline: it goes by deadline, also when not all can be on time." in set_to
    assert hms("queue", "policy", "nowhere").returncode == 4
    hours = ("queue", "calendar", "shop")
    assert "its SLAs count day and night." in hms(*hours).stdout
    told_hours = hms(*hours, "Mo-Fr 8:00-16:00", "--timezone", "America/Chicago", "--holidays", "US").stdout
    assert "Mo-Fr 08:00-16:00 (America/Chicago), not on holidays of US." in " ".join(told_hours.split())
    assert "office hours" in hms("queue", "show", "shop", COLUMNS="300").stdout
    number = f"job-{order(engine, shop, 4).id}"
    assert "of which the SLA counts" in hms("job", "get", number, COLUMNS="300").stdout
    assert told(hms(*hours, "none", "--json"))["hours"] is None
    assert hms(*hours, "--holidays", "US").returncode == 2
    assert hms("queue", "show", "nowhere").returncode == 4


def test_live_workers_are_listed(hms: Hms, raw: RawConnection, shop: Recipe) -> None:
    """A worker is shown with what it serves and holds."""
    held = ["job-1.1.pick"]
    workers.beat(raw, workers.Beat("w@h/7", "w@h", "h", 7, "prefork", 4, ["shop"], [], held, 1.0, 3 << 20))
    [listed] = told(hms("worker", "list", "--json"))
    assert (listed["name"], listed["pid"], listed["slots"], listed["tickets"]) == ("w@h", 7, 4, held)
    assert listed["beatAgeSeconds"] < 60
    assert "3 MiB" in hms("worker", "list").stdout


def test_slots_that_are_lost_are_told_wherever_slots_are(
    hms: Hms, engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """Steps that hang hold them, or a worker that is to be replaced takes nothing more: neither is live."""
    common: Any = {"cpu_percent": 1.0, "rss_bytes": 3 << 20}
    steps = [step.run for step in shop.steps]
    busy = workers.Beat("a/1", "a@h", "h", 1, "threads", 8, ["shop"], steps, [], **common, slots_lost=3)
    left = workers.Beat(
        "b/2", "b@h", "h", 2, "threads", 8, [], steps, [], **common, slots_lost=8, left_queues=["shop"]
    )

    def received(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Call `hms` while both workers are heard."""
        for entry in (busy, left):
            workers.beat(raw, entry)
        return hms(*words, **more)

    waiting = order(engine, shop).id
    [queue] = [entry for entry in told(received("queue", "list", "--json")) if entry["name"] == "shop"]
    assert (queue["workers"], queue["slots"], queue["slotsLost"]) == (1, 16, 11)
    assert "shop: 16 slots, 11 lost to hung steps" in received("queue", "list").stdout
    listed = told(received("worker", "list", "--json"))
    assert [(item["slots"], item["slotsLost"], item["leftQueues"]) for item in listed] == [
        (8, 3, []),
        (8, 8, ["shop"]),
    ]
    table = received("worker", "list", COLUMNS="200").stdout
    assert "8, 3 lost" in table
    assert "none: steps hang, it is to be replaced" in table
    explained = told(received("job", "explain", str(waiting), "--json"))
    assert (explained["slots"], explained["slotsLost"]) == (16, 11)
    assert any("have 16 slots, 11 lost to hung steps" in sentence for sentence in explained["because"])
    answer = json.loads(received("check", "--json").stdout)["findings"]
    checked = {entry["name"]: entry for entry in answer}
    assert checked["worker a@h"]["detail"].startswith("8 slots, 3 lost to hung steps (threads)")
    assert checked["worker b@h"]["light"] == "warn"
    received("--version")
    [window] = [entry for entry in dispatch_windows.windows(raw) if entry.queue == "shop"]
    assert (window.slots, window.room(0.0)) == (5, 10)
    with engine.connect() as connection:
        [card] = [entry for entry in overview.read(connection).cards if entry.name == "shop"]
    assert (card.slots, card.slots_told) == (5, "16 slots, 11 lost to hung steps")


def test_cancel_now_ends_the_running_step(
    hms: Hms, programs: Programs, engine: sa.Engine, shop: Recipe
) -> None:
    """The worker hears it from the ledger, not over Redis, and ends that child and no other."""
    programs.worker()
    programs.dispatcher()
    with engine.connect() as holder:
        holder.execute(sa.text("select pg_advisory_lock(7)"))
        first, second = _hold(engine, shop, 1), _hold(engine, shop, 2)
        ended, spared = (
            wait_until(functools.partial(_runs_in, engine, job), "the step to run") for job in (first, second)
        )
        done = hms("job", "cancel", str(first), "--now")
        assert done.returncode == 0, done.stderr
        assert "the workers end it within some seconds" in done.stdout
        assert look(engine, first).status == "cancelled"
        wait_until(lambda: f"job-{first}.1.pick is ended" in programs.said("w"), "the worker to hear of it")
        # A signal meets a process that waits in libpq only when libpq returns.
        holder.execute(sa.text("select pg_advisory_unlock(7)"))
        wait_until(lambda: not psutil.pid_exists(ended), "the step to be ended")
        assert psutil.pid_exists(spared)
    assert look(engine, first).status == "cancelled"


def _hold(engine: sa.Engine, shop: Recipe, number: int) -> int:
    """Accept an order whose first step waits for an advisory lock."""
    with engine.begin() as connection:
        payload = {"number": number, "pick": {"hold": 7}}
        return accept.start_job(connection, shop, payload, requested_by="test").job.id


def _runs_in(engine: sa.Engine, job: int) -> int | None:
    with engine.connect() as connection:
        pid: int | None = connection.scalar(
            sa.text("select worker_pid from public.executions where job = :job"), {"job": job}
        )
        return pid
