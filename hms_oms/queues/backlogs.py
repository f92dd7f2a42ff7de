"""Backlogs as a plan sees and changes them: jobs of one kind of work whose deadlines are close together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from math import ceil
from typing import Any, NamedTuple

from hms_oms.database import array_literals, statements
from hms_oms.database.connections import RawConnection
from hms_oms.order.estimates import Estimate
from hms_oms.order.judging import Judgement, work_of
from hms_oms.order.plan import CELL_SECONDS, Cell, Move

#: No work is shorter, in seconds: clocks may say so.
LEAST_SECONDS = 0.001
#: The most jobs that one statement changes.
PAGE = 2000
#: Deadlines further ahead share wider cells, or a long backlog would have hundreds of thousands of them: from
#: how many seconds ahead, and of how many seconds.
FAR, FARTHEST = (12 * 3600.0, 60.0), (7 * 86400.0, 900.0)


class Key(NamedTuple):
    """What the jobs of a cell of a plan have in common; they are due from its bucket on, in seconds."""

    cell: int
    bucket: float
    until: float
    must: bool


class Backlog(NamedTuple):
    """Jobs of a queue by cells of a plan, and how many were put in front of them by hand, by cell."""

    cells: Sequence[Cell]
    in_front: Mapping[int, int]

    @property
    def jobs(self) -> int:
        """How many jobs a plan may give up."""
        return sum(cell.jobs for cell in self.cells)


class Work(NamedTuple):
    """How long a worker has held a slot for a job of a cell, until it ended at `ended_at`."""

    queue: str
    type: str
    step: int
    cell: int
    seconds: float
    ended_at: datetime


def read(connection: RawConnection, queue: str, now: float, estimate: Callable[[int], Estimate]) -> Backlog:
    """Read a backlog at this moment, in seconds; `estimate` says what a job of a cell needs."""
    widths = {
        "width": CELL_SECONDS,
        "far": _begin(now, *FAR),
        "far_width": FAR[1],
        "farthest": _begin(now, *FARTHEST),
        "farthest_width": FARTHEST[1],
    }
    rows = statements.run_raw(connection, "histogram", {"queue": queue, **widths})
    in_front = {row["cell"]: row["jobs"] for row in rows if row["bucket_at"] is None}
    return Backlog(list(_cells(rows, estimate)), in_front)


def _begin(now: float, ahead: float, width: float) -> float:
    """Where cells of a width begin: at a multiple of it, so that cells stay fixed in time."""
    return ceil((now + ahead) / width) * width


def _cells(rows: Iterable[Mapping[str, Any]], estimate: Callable[[int], Estimate]) -> Iterator[Cell]:
    """Both bands of each kind of work and deadline as one cell."""
    cells: dict[Key, Cell] = {}
    for row in rows:
        if row["bucket_at"] is None:
            continue
        key = Key(row["cell"], row["bucket_at"], row["bucket_at"] + row["width"], row["must"])
        given_up = row["jobs"] if row["band"] else 0
        other = cells.get(key)
        if other is None:
            mean, upper = estimate(row["cell"])
            pull = max(0.0, row["pull"])
            cells[key] = Cell(row["due"], mean, upper, row["must"], row["jobs"], key, pull, given_up)
        else:
            cells[key] = other._replace(
                due=min(other.due, row["due"]),
                jobs=other.jobs + row["jobs"],
                given_up=other.given_up + given_up,
            )
    yield from cells.values()


def move(connection: RawConnection, queue: str, moves: Iterable[Move]) -> int:
    """Give jobs up, or keep them again, as a plan asks for; return how many.

    No more of them than one statement should change: those that are due first.
    """
    leave: list[Move] = []
    back: list[Move] = []
    for item in _most_urgent(moves):
        (leave if item.jobs > 0 else back).append(item)
    return _run(connection, "give_up", queue, leave) + _run(connection, "keep_again", queue, back)


def _most_urgent(moves: Iterable[Move]) -> Iterator[Move]:
    left = PAGE
    for item in sorted(moves, key=lambda item: Key(*item.key).bucket):  # type: ignore[misc]
        jobs = min(left, abs(item.jobs))
        left -= jobs
        if jobs:
            yield item._replace(jobs=jobs if item.jobs > 0 else -jobs)


def _run(connection: RawConnection, name: str, queue: str, moves: Sequence[Move]) -> int:
    return len(statements.run_raw(connection, name, {"queue": queue, **_arrays(moves)})) if moves else 0


def _arrays(moves: Sequence[Move]) -> dict[str, Any]:
    keys = [Key(*item.key) for item in moves]  # type: ignore[misc]
    return {
        "cells": array_literals.literal([key.cell for key in keys]),
        "buckets": array_literals.literal([key.bucket for key in keys]),
        "untils": array_literals.literal([key.until for key in keys]),
        "musts": array_literals.literal([key.must for key in keys]),
        "jobs": array_literals.literal([abs(item.jobs) for item in moves]),
    }


def give_up_late(
    connection: RawConnection, queue: str, ahead: float, estimates: Mapping[int, Estimate], other: Estimate
) -> int:
    """Give up what could not be on time if it were begun at `ahead`, in seconds; return how many."""
    uppers = [estimate.upper for estimate in estimates.values()]
    given = {
        "queue": queue,
        "ahead": ahead,
        "cells": array_literals.literal(list(estimates)),
        "means": array_literals.literal([estimate.mean for estimate in estimates.values()]),
        "uppers": array_literals.literal(uppers),
        "most": max([*uppers, other.upper]),
        "other_mean": other.mean,
        "other_upper": other.upper,
    }
    return len(statements.run_raw(connection, "give_up_late", given))


def keep_all(connection: RawConnection, queue: str) -> int:
    """Keep again what was given up in a queue, as much as one statement should; return how many."""
    return len(statements.run_raw(connection, "keep_all", {"queue": queue}))


def redate(connection: RawConnection, queue: str) -> int:
    """Date the open jobs of a queue by its policy, as many as one statement should; return how many."""
    return len(statements.run_raw(connection, "redate", {"queue": queue}))


def record(connection: RawConnection, queue: str, backlog: Backlog, slots: int, judgement: Judgement) -> None:
    """Record what a plan has found."""
    given = {
        "queue": queue,
        "jobs": backlog.jobs,
        "work": work_of(backlog.cells),
        "slots": slots,
        "given_up": judgement.given_up,
        "hopeless": judgement.hopeless,
        "given_up_work": work_of(backlog.cells, judgement.cuts),
    }
    statements.run_raw(connection, "record_plan", given)


def newest_job(connection: RawConnection) -> int:
    """The newest job's id."""
    [row] = statements.run_raw(connection, "newest_job", {})
    return int(row["id"])


def ended_works(connection: RawConnection, since: datetime | None, most: int) -> list[Work]:
    """The works of up to `most` jobs that have ended after `since`, the newest ones, oldest first."""
    rows = statements.run_raw(connection, "ended_works", {"since": since or "-infinity", "most": most})
    return [
        Work(
            row["queue"],
            row["type"],
            row["step"],
            row["cell"],
            max(LEAST_SECONDS, row["seconds"]),
            row["finished_at"],
        )
        for row in rows
    ]


def keep_estimates(connection: RawConnection, measured: Mapping[int, tuple[Work, int, Estimate]]) -> None:
    """Keep estimates by cell, each with a work of it and how many it rests on."""
    given: dict[str, list[Any]] = {
        "cells": list(measured),
        "types": [work.type for work, _, _ in measured.values()],
        "steps": [work.step for work, _, _ in measured.values()],
        "works": [works for _, works, _ in measured.values()],
        "means": [estimate.mean for _, _, estimate in measured.values()],
        "uppers": [estimate.upper for _, _, estimate in measured.values()],
    }
    statements.run_raw(
        connection, "keep_estimates", {name: array_literals.literal(values) for name, values in given.items()}
    )
