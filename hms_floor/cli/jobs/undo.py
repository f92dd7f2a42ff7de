"""`hms undo`: take back what was just done."""

from __future__ import annotations

import click

from hms_floor.cli.terminal import api_client, show
from hms_floor.cli.terminal.errors import NotFound
from hms_oms.api.codec import document
from hms_oms.documents.jobs import Undo


def hint(*changes: Undo | None) -> None:
    """Print the command that undoes what was just done."""
    numbers = [change for change in changes if change is not None]
    if numbers:
        refs = " ".join(str(change.id) for change in numbers)
        seconds = min(change.seconds for change in numbers)
        click.echo(f"Undo within {seconds:.0f} s: hms undo {refs}", err=True)


@click.command("undo")
@click.argument("refs", metavar="[REF]...", nargs=-1, type=click.IntRange(1))
@click.option("--reason", metavar="TEXT", help="Why, for the audit trail.")
@show.json_option
def undo(refs: tuple[int, ...], reason: str | None, as_json: bool) -> None:
    """Undo what you have just changed, within thirty seconds.

    Without REF it is your own last change: to jobs (cancel, reinstate, promote, priority, move, delay) or to
    a queue (pause, resume, limit, SLA). What somebody has changed again since, or what has started, stays as
    it is, and is told. A manager can undo the changes of others by their REF.

    \b
    Example:  hms undo
    """
    done = [api_client.act().undo(ref, reason=reason) for ref in refs or (_last(),)]
    if as_json:
        documents = [document(change) for change in done]
        show.print_json(documents if len(refs) > 1 else documents[0])
    else:
        show.lines(*(change.message for change in done))


def _last() -> int:
    me = api_client.oms().me().actor
    mine = next((change for change in api_client.act().changes() if change.actor == me), None)
    if mine is None:
        raise NotFound(
            "nothing of yours can be undone: a change can be for 30 seconds; `hms audit` has them all"
        )
    return mine.id
