"""Accept a file of requests page by page, so that work starts while the file is still being read."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO

from sqlalchemy import Connection, Engine

from hms_act import accept
from hms_act.files import csv_rows, majority
from hms_act.files.csv_rows import Refusal, Row
from hms_oms.cycles import cycle_rows, cycles
from hms_oms.cycles.cycle_rows import CycleRow
from hms_oms.documents.cycles import Cycle
from hms_oms.jobs.acceptance.requests import Requests
from hms_oms.jobs.queries import read
from hms_oms.jobs.records import Accepted, Job
from hms_oms.queues import sla
from hms_oms.recipes import payload_equality, registry
from hms_oms.recipes.recipes import Recipe
from hms_oms.retention import known_keys

#: Rows of the file that are accepted in one transaction.
PAGE = accept.PAGE


def accept_file(
    engine: Engine,
    recipe: Recipe,
    stream: IO[bytes],
    *,
    name: str,
    requested_by: str,
    sla_minutes: float | None = None,
    supersede: bool = False,
    must: bool | None = None,
    accept_refusals: bool = False,
) -> Iterator[Cycle | Refusal]:
    """Accept every row of a file as one new cycle, and report the progress.

    Yields the cycle as it stands once it is open, after each page that is committed, and when the file
    is at its end; and, before the page that it belongs to, each row that is refused at the API. The SLA
    in force at the start holds for the whole file. A run that is cut off leaves whole pages: running the
    same file again accepts the rest, because what has a key is accepted once.

    Raises UnreadableFile, before a cycle is made, if the file is no list of such requests; and
    MostRefused, unless `accept_refusals`, if one reason refuses most rows.
    """
    rows = csv_rows.read(stream, recipe)
    if not accept_refusals:
        rows = majority.checked(rows)
    return accept_rows(
        engine,
        recipe,
        rows,
        name=name,
        requested_by=requested_by,
        sla_minutes=sla_minutes,
        supersede=supersede,
        must=must,
    )


def accept_rows(
    engine: Engine,
    recipe: Recipe,
    rows: Iterator[Row | Refusal],
    *,
    name: str,
    requested_by: str,
    sla_minutes: float | None = None,
    supersede: bool = False,
    must: bool | None = None,
) -> Iterator[Cycle | Refusal]:
    """As `accept_file`, for rows that were read already.

    With `supersede` a row replaces the job that has its key and other content, if that has not begun. Whether
    jobs `must` be on time the recipe says if that is None.
    """
    # Faults of the whole file are raised before a cycle is made.
    rows = itertools.chain(list(itertools.islice(rows, 1)), rows)
    with engine.begin() as connection:
        cycle, terms = _begin(
            connection, recipe, name, requested_by, sla_minutes, supersede=supersede, must=must
        )
    yield cycle

    def accept_page(page: _Page) -> Cycle:
        with engine.begin() as connection:
            return _accept_page(connection, terms, page)

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="accept") as beside:
        page = _Page.read(recipe, rows)
        while page.rows or page.refusals:
            yield from page.refusals
            accepted = beside.submit(accept_page, page)
            # The next page is read and made ready while the ledger takes this one.
            page = _Page.read(recipe, rows)
            yield accepted.result()
        if page.failure is not None:
            raise page.failure
    with engine.begin() as connection:
        cycle = cycles.close(connection, cycle.id)
    yield cycle


def accept_whole(
    connection: Connection,
    recipe: Recipe,
    rows: Iterator[Row | Refusal],
    *,
    name: str,
    requested_by: str,
    sla_minutes: float | None = None,
) -> Cycle:
    """Accept every row of a file as one new cycle, in the caller's transaction: all of it, or nothing."""
    cycle, terms = _begin(connection, recipe, name, requested_by, sla_minutes)
    while (page := _Page.read(recipe, rows)).rows or page.refusals:
        _accept_page(connection, terms, page)
    if page.failure is not None:
        raise page.failure
    return cycles.close(connection, cycle.id)


@dataclass(frozen=True)
class _Terms:
    """On which terms the rows of a cycle are accepted."""

    recipe: Recipe
    recipe_id: int
    cycle: int
    requested_by: str
    sla_minutes: float
    supersede: bool
    must: bool | None


def _begin(
    connection: Connection,
    recipe: Recipe,
    name: str,
    requested_by: str,
    sla_minutes: float | None,
    *,
    supersede: bool = False,
    must: bool | None = None,
) -> tuple[Cycle, _Terms]:
    """Open a cycle; the SLA in force now holds for the whole of it."""
    recipe_id = registry.register(connection, recipe)
    minutes = sla_minutes if sla_minutes is not None else sla.minutes_in_force(connection, recipe.queue)
    cycle = cycles.begin(connection, job_type=recipe.type, name=name, requested_by=requested_by)
    return cycle, _Terms(recipe, recipe_id, cycle.id, requested_by, minutes, supersede, must)


@dataclass(frozen=True)
class _Page:
    """Rows that are accepted together; none at the end of the file, or where it can be read no further."""

    rows: Sequence[Row]
    refusals: Sequence[Refusal]
    requests: Requests
    failure: Exception | None = None

    @classmethod
    def read(cls, recipe: Recipe, rows: Iterator[Row | Refusal]) -> _Page:
        try:
            page = list(itertools.islice(rows, PAGE))
        except Exception as error:  # noqa: BLE001 -- it is raised behind the page before
            return cls((), (), Requests.of(recipe, (), ()), error)
        good = [row for row in page if isinstance(row, Row)]
        payloads = [row.payload for row in good]
        keys = [accept.key_of(recipe, payload) for payload in payloads]
        refusals = [row for row in page if isinstance(row, Refusal)]
        return cls(good, refusals, Requests.of(recipe, payloads, keys))


def _accept_page(connection: Connection, terms: _Terms, page: _Page) -> Cycle:
    """Accept a page in the connection's transaction; the cycle as it stands then."""
    recipe, cycle = terms.recipe, terms.cycle
    payloads, keys = [row.payload for row in page.rows], page.requests.keys
    if terms.supersede:
        accept.make_way(connection, recipe, payloads, keys=keys, who=terms.requested_by, batch_id=cycle)
    accepted = accept.accept_many(
        connection,
        recipe,
        payloads,
        keys=keys,
        requested_by=terms.requested_by,
        sla_minutes=terms.sla_minutes,
        batch_id=cycle,
        recipe_id=terms.recipe_id,
        musts=[recipe.must if terms.must is None else terms.must] * len(payloads),
        prepared=page.requests,
    )
    repeated = _repeated(connection, recipe, page.rows, keys, accepted)
    cycle_rows.add(connection, cycle, [*map(refused, page.refusals), *repeated])
    return cycles.add(
        connection,
        cycle,
        accepted=len(accepted.jobs),
        duplicates=accepted.duplicates,
        differing=sum(row.result == "differs" for row in repeated),
        refused=len(page.refusals),
    )


def refused(row: Refusal) -> CycleRow:
    """A refused row, as it is kept with the cycle."""
    return CycleRow(row.line, "refused", field=row.field, reason=row.reason, original=row.original)


def _repeated(
    connection: Connection,
    recipe: Recipe,
    rows: Sequence[Row],
    keys: Sequence[str | None],
    accepted: Accepted,
) -> list[CycleRow]:
    """The rows whose key a job has already, each held against what that job was asked for."""
    if not accepted.duplicates:
        return []
    fresh = set(accepted.keys)
    repeated: list[tuple[Row, str]] = []
    for row, key in zip(rows, keys, strict=True):
        if key in fresh:
            # The first row with a key has made the job; the next one with it has not.
            fresh.discard(key)
        elif key is not None:
            repeated.append((row, key))
    asked = [key for _, key in repeated]
    known = read.by_keys(connection, recipe.type, asked)
    removed = known_keys.find(connection, recipe.type, [key for key in asked if key not in known])
    return [
        compared(recipe, row, known[key])
        if key in known
        else CycleRow(row.line, "known", job=removed[key].id)
        for row, key in repeated
        if key in known or key in removed
    ]


def compared(recipe: Recipe, row: Row, job: Job) -> CycleRow:
    """A row whose key is known, held against the job that has it."""
    differences = payload_equality.differences(
        recipe.payload, job.payload, row.payload, erased=job.erased_at is not None
    )
    return CycleRow(
        row.line,
        "differs" if differences else "known",
        job=job.id,
        differences={field: list(pair) for field, pair in differences.items()} or None,
    )
