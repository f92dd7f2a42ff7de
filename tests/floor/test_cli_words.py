"""The words of the command line: help, wrong calls, and how times, requests and URLs are read and shown."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import click
import pytest
from click.testing import CliRunner

from hms_floor.cli import COMMANDS, main
from hms_floor.cli.jobs import request
from hms_floor.cli.terminal import arguments, show
from hms_oms.documents.jobs import JobType
from hms_oms.jobs import commands
from hms_oms.recipes import recipes
from hms_oms.runtime import server_urls, settings
from hms_oms.runtime.errors import RequestRejected

CHICAGO = ZoneInfo("America/Chicago")
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
GOOD = ["phone=515-555-0142", "countyFips=19153", "crop=corn", "submittedOn=2026-11-20"]
GOOD += ["acres=120", "amountRequested=30000"]


@pytest.fixture(scope="module")
def grant() -> JobType:
    """The job type that the command line's examples speak of, as the API tells it."""
    result = recipes.load_folder(settings.Settings().recipes)["farm:grant:v1"]
    steps = tuple(step.name for step in result.steps)
    return JobType(
        result.type, result.summary, result.queue, result.sla_minutes, result.key, steps, result.payload
    )


def verbs(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words that call each verb."""
    if not isinstance(command, click.Group):
        yield path
        return
    with click.Context(command) as context:
        for name in command.list_commands(context):
            result = command.get_command(context, name)
            assert result is not None
            yield from verbs(result, (*path, name))


@pytest.mark.parametrize("path", list(verbs(main)), ids=" ".join)
def test_the_help_of_each_verb_has_an_example(path: tuple[str, ...]) -> None:
    """Each verb says what it does, and shows one call of itself."""
    answer = CliRunner().invoke(main, [*path, "--help"])
    assert answer.exit_code == 0
    assert f"Example:  hms {' '.join(path)}" in answer.output


def test_the_help_names_every_noun_in_its_own_words() -> None:
    """The list that `hms --help` has at hand says the same as the commands themselves."""
    answer = CliRunner().invoke(main, ["--help"])
    with click.Context(main) as context:
        for name, (_, line) in COMMANDS.items():
            command = main.get_command(context, name)
            assert command is not None
            assert (command.help or "").splitlines()[0] == line
            assert line in answer.output


def test_help_imports_nothing_heavy() -> None:
    """`hms --help` and Tab completion load neither SQLAlchemy nor Celery nor any other big library."""
    program = (
        "import sys; from hms_floor.cli import main; main(['--help'], standalone_mode=False);"
        "big = {'sqlalchemy', 'celery', 'rich', 'jsonschema', 'psycopg2', 'redis', 'alembic'};"
        "assert not big & set(sys.modules), big & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["chekc"], "Did you mean 'check'?"),
        (["worker", "ls"], "Did you mean 'list'?"),
        (["webhook", "create"], "Did you mean 'add'?"),
        (["job", "stop"], "Did you mean 'cancel'?"),
        (["queue", "pasue"], "Did you mean 'pause'?"),
        (["job", "get", "job-x"], "write job-219 or 219"),
        (["job", "list", "--older-than", "10"], "write 90s, 10m, 1h30m or 2d"),
        (["job", "list", "--status", "lost"], "waiting"),
        (["sla", "set", "farm-grant", "nan"], "a number of minutes from 0.01"),
        (["sla", "set", "farm-grant", "-5"], "-5"),
        (["cycle", "run", "nowhere.csv", "--type", "farm:grant:v1"], "nowhere.csv"),
        (["cycle", "sample", "0", "--seed", "1"], "x>=1"),
        (["up", "--once"], "--sample N"),
        (["completion", "tcsh"], "bash"),
    ],
)
def test_a_wrong_call_is_told_with_exit_code_2(words: list[str], hint: str) -> None:
    """What is wrong with the call stands in the message, with what would be right."""
    answer = CliRunner().invoke(main, words)
    assert answer.exit_code == 2
    assert hint in answer.output


#: Verbs that start something new, whose every word is a reason already, or of which no audit trail tells.
WITHOUT_REASON = {
    *("up", "audit", "completion", "simulate", "job start", "job quote", "incident comment", "cycle sample"),
    *("recipe new", "floor link", "db backup", "db grants", "db migrate", "db prune", "db restore"),
    *("db restored", "db restore-check", "oncall channel add", "oncall channel remove"),
}
#: Last words of verbs that only read, and `run`: of a program, and of a cycle.
READING = {"list", "get", "show", "explain", "find", "peek", "watch", "report", "refused", "duplicates"}
READING |= {"schema", "history", "at-risk", "jobs", "silences", "deliveries", "health", "status", "rules"}
READING |= {"run", "size", "forecast", "check"}


def test_every_verb_that_changes_something_takes_a_reason() -> None:
    """Who reads the audit trail is told why, whatever was changed; `run` of a schedule changes it, too."""
    lacking = set()
    with click.Context(main, info_name="hms") as context:
        for noun in COMMANDS:
            command = main.get_command(context, noun)
            assert command is not None
            for path in verbs(command, (noun,)):
                verb: click.Command = command
                for word in path[1:]:
                    assert isinstance(verb, click.Group)
                    verb = verb.commands[word]
                if not any("--reason" in parameter.opts for parameter in verb.params):
                    lacking.add(" ".join(path))
    assert {name for name in lacking if name.split()[-1] not in READING} == WITHOUT_REASON
    assert "schedule run" not in lacking


def test_completion_is_printed_with_its_place() -> None:
    """`hms completion bash` is a script, and says which line to put where."""
    answer = CliRunner().invoke(main, ["completion", "zsh"])
    assert answer.exit_code == 0
    assert 'eval "$(hms completion zsh)"' in answer.output
    assert "_HMS_COMPLETE=zsh_complete" in answer.output


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("90s", timedelta(seconds=90)),
        ("10m", timedelta(minutes=10)),
        ("1h30m", timedelta(hours=1.5)),
        ("2 d", timedelta(days=2)),
        ("1.5h", timedelta(minutes=90)),
    ],
)
def test_lengths_of_time_are_read_as_people_write_them(written: str, meant: timedelta) -> None:
    """Units may be joined, and fractions are allowed."""
    assert arguments.length(written) == meant


@pytest.mark.parametrize("written", ["", "10", "m", "-5m", "1y", "9" * 30 + "d", "nan", "1h-5m"])
def test_what_is_no_length_of_time_is_refused(written: str) -> None:
    """A number without a unit could mean anything."""
    with pytest.raises(ValueError, match=r"length of time|too long"):
        arguments.length(written)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("+10m", NOON + timedelta(minutes=10)),
        ("2026-11-23T08:00:00+01:00", datetime(2026, 11, 23, 7, 0, tzinfo=UTC)),
        ("2026-11-22T12:00:01Z", NOON + timedelta(seconds=1)),
    ],
)
def test_moments_are_read_as_people_write_them(written: str, meant: datetime) -> None:
    """A time to come, by its distance or with its zone."""
    assert arguments.moment(written, NOON, CHICAGO) == meant


def test_an_hour_is_the_next_of_its_kind() -> None:
    """An hour that is past today is meant for tomorrow; an hour to come for today."""
    here = NOON.astimezone(CHICAGO)
    later, earlier = here + timedelta(minutes=1), here - timedelta(minutes=1)
    assert arguments.moment(f"{later:%H:%M}", NOON, CHICAGO) == later
    assert arguments.moment(f"{earlier:%H:%M}", NOON, CHICAGO) == earlier + timedelta(days=1)


@pytest.mark.parametrize(
    "written", ["25:00", "tomorrow", "2026-11-22", "2026-11-22T11:59:59Z", "+0s", "99999-01-01"]
)
def test_a_moment_that_is_past_or_none_is_refused(written: str) -> None:
    """A job cannot be started yesterday."""
    with pytest.raises(ValueError, match=r"is not a time|is over already"):
        arguments.moment(written, NOON, CHICAGO)


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (timedelta(minutes=4, seconds=59), "in 4 min"),
        (timedelta(hours=-2), "2 h ago"),
        (timedelta(seconds=-59), "59 s ago"),
        (timedelta(milliseconds=300), "now"),
        (timedelta(hours=1, minutes=20), "in 1 h 20 min"),
        (timedelta(days=-3), "3 d ago"),
    ],
)
def test_times_are_told_as_people_say_them(distance: timedelta, words: str) -> None:
    """A distance in time has one unit, or two where one says too little."""
    assert show.relative(NOON + distance, NOON) == words


@pytest.mark.parametrize(
    ("part", "whole", "words"),
    [
        (0, 0, "-"),
        (0, 9, "0 %"),
        (9, 9, "100 %"),
        (2999, 3000, "99.9 %"),
        (1, 99999, "0.1 %"),
        (1, 3, "33.3 %"),
    ],
)
def test_a_share_never_rounds_to_all_or_nothing(part: int, whole: int, words: str) -> None:
    """100 % on time means every single one."""
    assert show.share(part, whole) == words


def test_what_is_shown_cannot_steer_the_terminal() -> None:
    """Escape sequences and turned-about text in a name are made visible; markup stays text."""
    assert "\x1b" not in show.plain("\x1b[2J\x9b5n").plain
    assert "\u202e" not in show.plain("ann\u202eeel").plain
    assert show.plain("[red]Zoë[/red]").plain == "[red]Zoë[/red]"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:hunter2@db:5432/hms",
        "postgresql://ann:hun@ter2@db/hms",
        "postgresql://ann:hunter2/x@db/hms",
        "postgresql://ann:hunter2?x@db/hms",
        "postgresql://ann:hunter2#x@db/hms",
        "postgresql://db/hms?user=ann&password=hunter2",
        "postgresql://db/hms?sslpassword=hunter2",
        "redis://:hunter2@cache:6379/0",
        "redis://ann:hunter2@[bad",
    ],
)
def test_a_password_is_never_shown(url: str) -> None:
    """However oddly a URL is written, the eye gets no part of its password."""
    shown = server_urls.masked(url)
    assert "hun" not in shown
    assert "ter2" not in shown
    assert server_urls.MASK in shown


def test_a_url_without_a_password_is_shown_whole() -> None:
    """There is nothing to hide in the address of a private server."""
    for url in ("postgresql://hms@/hms?host=/tmp/run/postgres", "redis+socket:///tmp/run/redis.sock"):
        assert server_urls.masked(url) == url


def test_a_request_is_read_by_the_kinds_of_its_recipe(grant: JobType) -> None:
    """Numbers become numbers, and a name that looks like one stays text."""
    payload = request.build(grant, ["appId=219", "name=007", *GOOD], None)
    assert (payload["appId"], payload["name"], payload["acres"]) == (219, "007", 120)


def test_every_fault_of_a_request_is_told_at_once(grant: JobType) -> None:
    """Unknown, missing, doubled and unreadable fields, and words that are none, in one go."""
    with pytest.raises(RequestRejected) as caught:
        request.build(grant, ["appId=0", "nmae=Ann", "acres=NaN", "crop=corn", "crop=rice", "huh"], None)
    faults = dict(caught.value.faults)
    assert "minimum" in faults["appId"]
    assert "did you mean name?" in faults["nmae"]
    assert "not a JSON number" in faults["acres"]
    assert faults["crop"] == "is given twice"
    assert "key=value" in faults["huh"]
    assert {field for field, reason in faults.items() if reason == "is missing"} == {
        "name",
        "phone",
        "countyFips",
        "amountRequested",
        "submittedOn",
    }


def test_the_highest_priority_is_that_of_the_ledger() -> None:
    """The command line names it without loading the ledger."""
    assert arguments.HIGHEST_PRIORITY == commands.HIGHEST_PRIORITY


def test_a_verb_of_the_api_loads_no_driver_and_no_task_queue() -> None:
    """What only speaks to the API starts without the database, Redis, Celery and the server."""
    program = (
        "import sys\n"
        "from hms_floor.cli.cycles import cycle\n"
        "from hms_floor.cli.jobs import job\n"
        "from hms_floor.cli.queues import queue, sla, worker\n"
        "heavy = {'celery', 'kombu', 'sqlalchemy', 'psycopg2', 'redis', 'fastapi', 'jsonschema'}\n"
        "print(sorted(heavy & {name.partition('.')[0] for name in sys.modules}))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("now", "written", "expected"),
    [
        ("2027-03-13T12:00:00-06:00", "2027-03-14 02:30", "does not exist in America/Chicago"),
        ("2027-03-14T00:30:00-06:00", "02:30", "does not exist in America/Chicago"),
        (
            "2026-10-31T12:00:00-05:00",
            "2026-11-01 01:30",
            "2026-11-01 01:30-05:00 (CDT) or 2026-11-01 01:30-06:00",
        ),
        ("2026-11-01T00:10:00-05:00", "01:30", "2026-11-01 01:30-05:00 (CDT) or 2026-11-01 01:30-06:00"),
        ("2026-11-01T01:40:00-05:00", "1:30", "2026-11-01 01:30-05:00 (CDT) or 2026-11-01 01:30-06:00"),
    ],
)
def test_a_local_time_that_is_unclear_is_not_guessed(now: str, written: str, expected: str) -> None:
    """A job is not started an hour early because the clocks change: the reader is asked."""
    with pytest.raises(ValueError, match=r"^2027|^2026") as caught:
        arguments.moment(written, datetime.fromisoformat(now), CHICAGO)
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("now", "written", "meant"),
    [
        ("2026-10-31T12:00:00-05:00", "2026-11-01 01:30-05:00", "2026-11-01T06:30:00Z"),
        ("2026-10-31T12:00:00-05:00", "2026-11-01 01:30-06:00", "2026-11-01T07:30:00Z"),
        ("2026-11-01T01:40:00-06:00", "01:30", "2026-11-02T07:30:00Z"),
        ("2027-03-14T03:10:00-05:00", "02:30", "2027-03-15T07:30:00Z"),
        ("2027-03-13T12:00:00-06:00", "2027-03-14", "2027-03-14T06:00:00Z"),
    ],
)
def test_a_local_time_that_is_clear_is_taken(now: str, written: str, meant: str) -> None:
    """With its offset, or past the change."""
    assert arguments.moment(written, datetime.fromisoformat(now), CHICAGO) == datetime.fromisoformat(meant)
