"""Select the jobs of a command: by name, from standard input, or by a filter."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from hms_floor.cli import names
from hms_floor.cli.terminal import api_client
from hms_floor.cli.terminal.arguments import FieldIsValue, Length, past
from hms_floor.cli.terminal.errors import WrongCall
from hms_oms.api.filter import Filter
from hms_oms.jobs.states import Status
from hms_oms.jobs.tickets import job_name, job_number

#: What stands for the ids on standard input.
STDIN = "-"
#: What `--status open` stands for.
_OPEN = "open"

_FILTERS = [
    click.option("--queue", metavar="QUEUE", shell_complete=names.queues, help="Only jobs of this queue."),
    click.option(
        "--status",
        "statuses",
        type=click.Choice([status.value for status in Status] + [_OPEN]),
        multiple=True,
        help="Only jobs in this status; may be given several times.",
    ),
    click.option(
        "--type", "job_type", metavar="TYPE", shell_complete=names.job_types, help="Only jobs of this type."
    ),
    click.option("--batch", type=click.IntRange(1), metavar="CYCLE", help="Only jobs of this cycle."),
    click.option(
        "--older-than", type=Length(), metavar="LENGTH", help="Only jobs accepted before: 10m, 2h, 1d."
    ),
    click.option("--since", metavar="TIME", help="Only jobs accepted since: 2h, 08:00, 2026-11-23."),
    click.option(
        "--where",
        type=FieldIsValue(),
        metavar="FIELD=VALUE",
        multiple=True,
        help="Only jobs whose payload has this, as countyFips=19153; may be given several times.",
    ),
    click.option(
        "--late", is_flag=True, help="Only jobs that missed their deadline: still open, done late or failed."
    ),
    click.option("--given-up", is_flag=True, help="Only jobs that are done last: not all can be on time."),
    click.option("--at-risk", is_flag=True, help="Only jobs that will miss their deadline."),
    click.option("--held", is_flag=True, help="Only jobs that wait for an answer of the applicant."),
]


def filtering(function: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options of a filter; it is called with `selected`."""

    @functools.wraps(function)
    def call(
        *arguments: Any,
        queue: str | None,
        statuses: tuple[str, ...],
        job_type: str | None,
        batch: int | None,
        older_than: timedelta | None,
        since: str | None,
        where: tuple[tuple[str, str], ...],
        late: bool,
        given_up: bool,
        at_risk: bool,
        held: bool,
        **others: Any,
    ) -> None:
        now = api_client.clock() if older_than is not None or since is not None else None
        selected = Filter(
            queue=queue,
            status=statuses,
            type=job_type,
            batch=batch,
            payload=dict(where),
            created_from=None if since is None or now is None else past(since, now, "--since"),
            created_to=None if older_than is None or now is None else now - older_than,
            late=late,
            given_up=given_up,
            at_risk=at_risk,
            held=held,
        )
        function(*arguments, selected=selected, **others)

    return functools.reduce(lambda made, option: option(made), reversed(_FILTERS), call)


def ids(words: Sequence[str], selected: Filter) -> list[str] | None:
    """The jobs that are named, in the order given; None where a filter says which. Raises UsageError."""
    if words and selected != Filter():
        raise click.UsageError("Name jobs or give a filter, not both.")
    if words:
        given = words if STDIN not in words else _from_stdin(words)
        return list(dict.fromkeys(map(_name, given)))
    if selected == Filter():
        raise click.UsageError(
            "Say which jobs: by ID, by - for ids on standard input, or by a filter such as --queue."
        )
    return None


def ask(question: str, *, stdin_used: bool) -> bool:
    """Ask a person who is at a terminal for a yes. Raises WrongCall if there is none."""
    otherwise = f"{question} There is no terminal to ask at, so nothing was changed: --yes goes on unasked"
    said = answer(f"{question} [y/N]", stdin_used=stdin_used, otherwise=otherwise)
    return said.lower() in ("y", "yes")


def answer(question: str, *, stdin_used: bool, otherwise: str) -> str:
    """Ask the person at the terminal. Raises WrongCall, saying `otherwise`, if there is no terminal."""
    with ExitStack() as opened:
        answers = sys.stdin
        if stdin_used:
            try:
                answers = opened.enter_context(Path("/dev/tty").open(encoding="utf-8"))
            except OSError:
                answers = None
        if answers is None or not answers.isatty() or not sys.stderr.isatty():
            raise WrongCall(otherwise)
        click.echo(f"{question} ", err=True, nl=False)
        return answers.readline().strip()


def _from_stdin(words: Sequence[str]) -> list[str]:
    if len(words) > 1:
        raise click.UsageError("- stands alone: all ids are read from standard input then.")
    return sys.stdin.buffer.read().decode("ascii", "replace").split()


def _name(word: str) -> str:
    try:
        return job_name(job_number(word))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="ID") from None
