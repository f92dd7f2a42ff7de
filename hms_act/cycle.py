"""A whole cycle: a file of requests is accepted page by page, so that work starts while it is still read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import IO

from sqlalchemy import Engine

from hms_act import accept, intake
from hms_act.intake import Refusal
from hms_oms import batches, registry, sla
from hms_oms.batches import Batch
from hms_oms.recipes import Recipe

#: Rows of the file that are accepted in one transaction.
PAGE = 1000


def accept_file(
    engine: Engine,
    recipe: Recipe,
    stream: IO[bytes],
    *,
    name: str,
    requested_by: str,
    sla_minutes: float | None = None,
) -> Iterator[Batch | Refusal]:
    """Accept every row of a file under one new batch, telling how it goes.

    Yields the batch as it stands once it is open, after each page that is committed, and when the file
    is at its end; and, before the page that it belongs to, each row that is refused at the door. The SLA
    in force at the start holds for the whole file. A run that is cut off leaves whole pages: running the
    same file again accepts the rest, because what has a key is accepted once.

    Raises UnreadableFile, before a batch is made, where the file is no list of such requests.
    """
    rows = intake.read(stream, recipe)
    return accept_rows(engine, recipe, rows, name=name, requested_by=requested_by, sla_minutes=sla_minutes)


def accept_rows(
    engine: Engine,
    recipe: Recipe,
    rows: Iterator[intake.Row | Refusal],
    *,
    name: str,
    requested_by: str,
    sla_minutes: float | None = None,
) -> Iterator[Batch | Refusal]:
    """As `accept_file`, for rows that were read already."""
    with engine.begin() as connection:
        registry.register(connection, recipe)
        minutes = sla_minutes if sla_minutes is not None else sla.minutes_in_force(connection, recipe.queue)
        batch = batches.open_batch(connection, job_type=recipe.type, name=name, requested_by=requested_by)
    yield batch
    while page := list(itertools.islice(rows, PAGE)):
        refusals = [row for row in page if isinstance(row, Refusal)]
        payloads = [row.payload for row in page if not isinstance(row, Refusal)]
        yield from refusals
        with engine.begin() as connection:
            accepted = accept.accept_many(
                connection,
                recipe,
                payloads,
                requested_by=requested_by,
                sla_minutes=minutes,
                batch_id=batch.id,
            )
            batch = batches.add(
                connection,
                batch.id,
                accepted=len(accepted.jobs),
                duplicates=accepted.duplicates,
                refused=len(refusals),
            )
        yield batch
    with engine.begin() as connection:
        batch = batches.close(connection, batch.id)
    yield batch
