"""A cycle from its file to its report: accepted, watched, counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import IO

from sqlalchemy import Engine

from hms_act import cycle
from hms_act.intake import Refusal, UnreadableFile
from hms_floor.cli import watching
from hms_floor.cli.errors import Failure, Stopped, listed
from hms_floor.cli.refused import RefusedFile
from hms_oms import batches
from hms_oms.batches import Batch, Report
from hms_oms.recipes import Recipe

#: How often the outbox is looked at, in seconds.
LOOK_SECONDS = 0.2

News = Iterator[Batch | Refusal]


def run(
    engine: Engine,
    recipe: Recipe,
    stream: IO[bytes],
    *,
    name: str,
    requested_by: str,
    refused: Callable[[Batch], RefusedFile],
    sla_minutes: float | None = None,
    silent: bool = False,
    patience: timedelta | None = None,
) -> Report:
    """Accept a file, watch its jobs until they have ended, and report.

    `refused` makes the file for what is turned away, once the number of the batch is known. Ctrl-C
    ends the reading or the watching, by Stopped, but not the work.
    """
    news = _opened(
        name,
        lambda: cycle.accept_file(
            engine, recipe, stream, name=name, requested_by=requested_by, sla_minutes=sla_minutes
        ),
    )
    with watching.view(silent=silent) as view:
        batch = None
        try:
            batch = _accept(engine, news, view, refused)
            watching.follow(engine, batch.id, view, patience=patience)
        except KeyboardInterrupt:
            if batch is None:
                raise
            raise Stopped(
                f"Stopped watching cycle {batch.id}; its work goes on."
                f" Look again with: hms cycle report {batch.id}"
            ) from None
    with engine.connect() as connection:
        return batches.report(connection, batch.id)


def with_texts_sent(engine: Engine, report: Report, patience: timedelta) -> Report:
    """The report once every text of the cycle is handed over, or as it stands when `patience` is over."""
    deadline = time.monotonic() + patience.total_seconds()
    while report.texts > report.texts_delivered and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        with engine.connect() as connection:
            report = batches.report(connection, report.batch.id)
    return report


def all_well(report: Report) -> bool:
    """Whether every accepted job ended done."""
    return report.progress.done == report.batch.accepted


def all_ended(report: Report) -> bool:
    """Whether every accepted job ended, well or not, and none is lost."""
    return report.progress.ended == report.batch.accepted


def beside(path: Path, home: Path) -> Callable[[Batch], RefusedFile]:
    """The refused file of a file of requests: next to it, or in the home where that cannot be."""
    return lambda batch: RefusedFile(path.with_name(f"{path.name}.refused.csv"), in_home(home, batch))


def in_home(home: Path, batch: Batch) -> Path:
    """The place of a refused file that has no better one."""
    return home / f"refused-{batch.id}.csv"


def _opened(name: str, accept: Callable[[], News]) -> News:
    try:
        return accept()
    except UnreadableFile as error:
        expected = f"Expected is CSV text in UTF-8 whose first line names {', '.join(error.expected)}"
        raise Failure(f"{listed(f'{name} cannot be read', error.faults)}\n{expected}") from None


def _accept(
    engine: Engine, news: News, view: watching.View, refused: Callable[[Batch], RefusedFile]
) -> Batch:
    batch = next(news)
    assert isinstance(batch, Batch)
    view.note(f"Cycle {batch.id}: {batch.type} from {batch.name}")
    try:
        with refused(batch) as turned_away:
            for each in news:
                if isinstance(each, Refusal):
                    turned_away.write(each)
                    continue
                batch = each
                turned_away.flush()
                with engine.connect() as connection:
                    view.show(batches.progress(connection, batch.id), reading=batch.closed_at is None)
    except KeyboardInterrupt:
        raise Stopped(
            f"Stopped reading; {batch.accepted:,} jobs of cycle {batch.id} are accepted and will be done."
            f" Run the same file again to accept the rest; see how it goes with: hms cycle report {batch.id}"
        ) from None
    if turned_away.is_there:
        view.say(f"Refused rows: {batch.refused:,}; line, field and reason are in {turned_away.path}")
    return batch
