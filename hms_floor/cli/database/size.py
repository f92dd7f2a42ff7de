"""`hms db size`: how large the ledger is, table by table, and how fast it grows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

from hms_floor import ledger
from hms_floor.cli.database import due_words
from hms_floor.cli.terminal import show, tables
from hms_oms import grants
from hms_oms.api.codec import stamp
from hms_oms.database import health
from hms_oms.recipes import hooks, recipes
from hms_oms.retention import due, rules, table_sizes
from hms_oms.retention.table_sizes import TableSize
from hms_oms.runtime import format, settings


@click.command("size")
@show.json_option
def size(as_json: bool) -> None:
    """Tell how large the ledger is, table by table: rows, bytes, dead rows, the oldest row, growth,
    and what retention would remove now.

    Rows and dead rows are PostgreSQL's estimates; growth is that of the last seven days.

    \b
    Example:  hms db size
    """
    configured = settings.load()
    packages = hooks.packages(recipes.load_folder(configured.recipes).values()).values()
    with ledger.reading() as connection:
        sizes = table_sizes.read(connection, grants.schemas(packages))
        amounts = due.read(connection, rules.read(connection, rules.defaults(configured)))
        now = health.clock(connection)
    if as_json:
        document = {"tables": [_document(table) for table in sizes], "total": _total_document(sizes)}
        show.print_json(document | {"due": due_words.total(amounts)})
        return
    _print(sizes, now)
    show.lines(due_words.sentence(amounts))


def _print(sizes: Sequence[TableSize], now: datetime) -> None:
    filled = [table for table in sizes if table.rows]
    if filled:
        headers = ["table", "rows", "heap", "indexes", "toast", "dead", "oldest", "vacuumed", "a day"]
        right = ["rows", "heap", "indexes", "toast", "dead", "a day"]
        spare = ["toast", "vacuumed", "heap", "indexes", "dead"]
        rows = [_row(table, now) for table in filled]
        show.lines(tables.table(headers, rows, right=right, spare=spare), "")
    empty = len(sizes) - len(filled)
    total = format.size(sum(table.total for table in sizes))
    others = f"; {format.count(empty, 'table is', 'tables are')} empty" if empty and filled else ""
    if not filled:
        show.lines(f"The ledger is empty: its {len(sizes)} tables take {total}.")
        return
    growth = sum(table.bytes_a_day or 0 for table in sizes)
    show.lines(f"Together {total}, growing by {format.size(growth)} a day{others}.")


def _row(table: TableSize, now: datetime) -> tuple[str, ...]:
    return (
        table.name if table.parts is None else f"{table.name} ({format.count(table.parts, 'part', 'parts')})",
        f"{table.rows:,}",
        format.size(table.heap),
        format.size(table.indexes),
        format.size(table.toast) if table.toast else "-",
        f"{table.dead:,}",
        format.relative(table.oldest_at, now) if table.oldest_at else "-",
        format.relative(table.vacuumed_at, now) if table.vacuumed_at else "never",
        "-" if table.bytes_a_day is None else format.size(table.bytes_a_day),
    )


def _document(table: TableSize) -> dict[str, Any]:
    return {
        "table": table.name,
        "parts": table.parts,
        "rows": table.rows,
        "heapBytes": table.heap,
        "indexBytes": table.indexes,
        "toastBytes": table.toast,
        "totalBytes": table.total,
        "deadRows": table.dead,
        "oldestAt": _stamp(table.oldest_at),
        "vacuumedAt": _stamp(table.vacuumed_at),
        "rowsADay": None if table.rows_a_day is None else round(table.rows_a_day, 1),
        "bytesADay": None if table.bytes_a_day is None else round(table.bytes_a_day),
    }


def _total_document(sizes: Sequence[TableSize]) -> dict[str, Any]:
    return {
        "rows": sum(table.rows for table in sizes),
        "totalBytes": sum(table.total for table in sizes),
        "bytesADay": round(sum(table.bytes_a_day or 0 for table in sizes)),
    }


def _stamp(when: datetime | None) -> str | None:
    return None if when is None else stamp(when)
