"""The commands of README and documents: each exists as it is written, and those that steer do so."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import click
import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_floor.cli import main
from hms_floor.cli.installation.preparing import prepare
from hms_oms.recipes import recipes
from hms_oms.runtime import settings
from tests.support.api import standing
from tests.support.command_line import Hms, command_line

ROOT = Path(__file__).parents[2]
FOLDER = settings.Settings().recipes
README = (ROOT / "README.md").read_text(encoding="utf-8")
#: These go on until somebody ends them, or show what only a whole day has.
ENDLESS = ("queue watch",)
#: What is said besides 0 where nobody works and watches, and nothing is wrong.
OTHER_CODES = {"check": 1, "sla at-risk": 1, "incident ack": 4, "ops status": 1}


def commands(text: str) -> Iterator[str]:
    """The lines of a document that call `hms`, each with the lines that it goes on in."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if match := re.match(r"\$ (?:\S*/)?hms (.*)", line):
                yield match.group(1)


DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_of_a_document_exists(document: Path) -> None:
    """Commands, options and the number of arguments are those of the program."""
    for line in commands(document.read_text(encoding="utf-8")):
        for called in re.split(r" \|\|? ", line):
            words = shlex.split(called, comments=True)
            if not line.startswith(called):
                if words[0] != "hms":
                    continue
                words = words[1:]
            fault = fault_of(words)
            assert fault is None, f"hms {line}: {fault.format_message()}"


def fault_of(words: list[str]) -> click.UsageError | None:
    """What is wrong with a command; a file that is not here, or what the reader is to fill in, is not."""
    try:
        parse(main, "hms", words)
    except click.UsageError as fault:
        if isinstance(fault, click.MissingParameter) or not isinstance(fault, click.BadParameter):
            return fault
    return None


def parse(command: click.Command, name: str, words: list[str]) -> None:
    """Read words as the command would, down to the last of its commands."""
    context = command.make_context(name, list(words), resilient_parsing=False)
    with context:
        if isinstance(command, click.Group):
            rest = [*context._protected_args, *context.args]
            noun, deeper, arguments = command.resolve_command(context, rest)
            assert deeper is not None
            parse(deeper, str(noun), arguments)


def block(heading: str) -> list[str]:
    """The commands below a heading of the README."""
    return list(commands(section(heading)))


def section(heading: str) -> str:
    """What stands below a heading of the README."""
    return README.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def test_what_the_readme_shows_works(
    database: str,
    broker: str,
    engine: sa.Engine,
    forward: Callable[[timedelta], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Commands and the program do what is said, and what they have paused goes on again."""
    known = recipes.load_folder(FOLDER)
    prepare(database, known.values())
    grant = known["farm:grant:v1"]
    with engine.begin() as connection:
        for number in (1, 219):
            connection.execute(sa.text("select setval('oms.jobs_id_seq', :last, false)"), {"last": number})
            accept.start_job(connection, grant, application(number), requested_by="test")
    forward(timedelta(hours=3))
    with standing(database, broker, tmp_path / "home", FOLDER, HMS_TIMEZONE="America/Chicago") as api:
        hms = command_line(api.environment() | {"COLUMNS": "200"})
        for line in [*block("Start"), *block("Steer"), *block("Watch, and be called")]:
            if not line.startswith((*ENDLESS, "cycle")):
                follow(hms, line)
        for name, value in api.found.items():
            monkeypatch.setenv(name, value)
        program = run_program("Programs")
    assert [line.split()[:2] for line in program.splitlines()] == [
        ["job-219", "waiting"],
        ["job-220", "waiting"],
    ]
    with engine.connect() as connection:
        appeal = sa.text("select type, payload ->> 'appId' as app from oms.jobs order by id desc limit 1")
        assert connection.execute(appeal).one() == ("farm:appeal:v1", "219")
        minutes = sa.text("select minutes from oms.slas where queue = 'farm-grant' order by id desc limit 1")
        assert connection.scalar(minutes) == 5
        paused = sa.text("select count(*) from oms.queues where paused_at is not null")
        assert connection.scalar(paused) == 0
        reinstated = sa.text("select status from oms.jobs where id = 219")
        assert connection.scalar(reinstated) == "waiting"


def run_program(heading: str) -> str:
    """Run the README's program below a heading up to where it listens without end; what it prints."""
    [source] = re.findall(r"```python\n(.*?)```", section(heading), re.DOTALL)
    before, listens, after = source.partition("ops.listen()\n")
    assert (listens, after) == ("ops.listen()\n", "")
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(before, "README.md", "exec"), {})
    return output.getvalue()


def follow(hms: Hms, line: str) -> None:
    """Run a line of the README, and what it hands its output to."""
    output = ""
    for called in re.split(r" \|\|? ", line):
        words = shlex.split(called.replace("docs/", f"{ROOT}/docs/"), comments=True)
        words = words[1:] if words[0] == "hms" else words
        if words[0] == "echo":
            continue
        # There is no terminal to be asked at.
        done = hms(*words, *(["--yes"] if "-" in words else []), feed=output)
        name = " ".join(words[:2])
        code = next((code for noun, code in OTHER_CODES.items() if name.startswith(noun)), 0)
        assert done.returncode in (0, code), (line, done.stdout, done.stderr)
        output = done.stdout


def application(number: int) -> dict[str, object]:
    """A request of a farm grant."""
    return {
        "appId": number,
        "name": "Ann Lee",
        "phone": "(312) 555-0123",
        "countyFips": "19001",
        "crop": "corn",
        "acres": 120,
        "amountRequested": 25000,
        "submittedOn": "2026-11-01",
    }
