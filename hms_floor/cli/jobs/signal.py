"""`hms job signal`: tell a job that the event has come for which it waits."""

from __future__ import annotations

import json
from typing import IO, Any

import click

from hms_floor.cli import names
from hms_floor.cli.terminal import api_client, show
from hms_floor.cli.terminal.arguments import JobId
from hms_oms.api.codec import document
from hms_oms.jobs.tickets import job_name


@click.command("signal")
@click.argument("number", metavar="ID", type=JobId(), shell_complete=names.jobs)
@click.argument("event", metavar="EVENT")
@click.option(
    "--data",
    "file",
    type=click.File("rb"),
    help="A JSON object, the result of the step; - is standard input.",
)
@click.option("--reason", metavar="TEXT", help="Why, for the audit trail.")
@show.json_option
def signal(number: int, event: str, file: IO[bytes] | None, reason: str | None, as_json: bool) -> None:
    """Tell job ID that EVENT has come, for which one of its steps waits.

    A job that is not at that step yet goes on at once when it is. The same event again changes nothing.

    \b
    Example:  hms job signal job-219 approved --reason "the board met"
    """
    data = None if file is None else _read(file)
    answer = api_client.act().signal(job_name(number), event, data, reason=reason)
    if as_json:
        show.print_json(document(answer))
    elif not answer.signalled:
        show.lines(f"{answer.id} was told of {event} before; nothing was changed.")
    elif answer.event == event:
        show.lines(f"{answer.id} goes on: it was waiting for {event}.")
    else:
        show.lines(f"{answer.id} is at step {answer.step}; it will not wait for {event} when it comes to it.")


def _read(file: IO[bytes]) -> dict[str, Any]:
    try:
        data = json.load(file)
    except ValueError as error:
        raise click.BadParameter(f"not JSON: {error}", param_hint="--data") from None
    if not isinstance(data, dict):
        raise click.BadParameter('a JSON object is needed, as in {"granted": true}', param_hint="--data")
    return data
