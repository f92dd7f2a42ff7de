"""Arrivals to simulate: from a CSV file, or from a log in the Standard Workload Format.

A CSV file has a line of headers: `arrival` and `service`; `deadline` unless one SLA holds for all; `type` and
`must` if they are known. Moments are seconds, or dates and times of ISO 8601; services are seconds. Of a log,
jobs count that have run; each is taken to need one slot, and its executable is its type.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from hms_oms.order.backlog import Job
from hms_oms.order.estimates import bucket
from hms_oms.runtime.errors import HmsError

YES = ("1", "true", "yes")
#: Fields of the Standard Workload Format, from 0: when a job came, ran, what it asked for, what it was.
SUBMITTED, RAN, ASKED_SECONDS, EXECUTABLE = 1, 3, 8, 13
#: No moment is farther away than this, in seconds, and no job takes longer: sums of them are still exact.
FARTHEST, LONGEST = 1e11, 1e9


class UnreadableArrivals(HmsError):
    """A file of arrivals cannot be simulated; the message says on which line, and why."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Jobs to simulate, and how many lines of the file were passed over because nothing had run."""

    jobs: Sequence[Job]
    passed_over: int = 0


def read(lines: Iterable[str], sla: float | None) -> Arrivals:
    """Read a file, whichever of the two it is; `sla`, in seconds, is for jobs without a deadline."""
    rows = [line.rstrip("\r\n") for line in lines]
    first = next((row for row in rows if row.strip()), "")
    is_log = first.startswith(";") or len(first.split()) >= EXECUTABLE
    arrivals = _log(rows, sla) if is_log else Arrivals(list(_csv(rows, sla)) if first else [])
    if not arrivals.jobs:
        raise UnreadableArrivals("there is no job in it")
    return arrivals


def _csv(rows: Sequence[str], sla: float | None) -> Iterator[Job]:
    reader = csv.DictReader(rows)
    try:
        yield from _rows(reader, sla)
    except csv.Error as error:
        raise UnreadableArrivals(f"line {reader.line_num + 1}: {error}") from None


def _rows(reader: csv.DictReader[str], sla: float | None) -> Iterator[Job]:
    headers = {header.strip().lower(): header for header in reader.fieldnames or ()}
    needed = ["arrival", "service", *(["deadline"] if sla is None else [])]
    missing = [name for name in needed if name not in headers]
    if missing:
        hint = "; or give all jobs one SLA with --sla" if missing == ["deadline"] else ""
        raise UnreadableArrivals(f"line 1: there is no column {', '.join(missing)}{hint}")
    for number, row in enumerate(reader):
        cells = {name: (row.get(header) or "").strip() for name, header in headers.items()}
        try:
            yield _job(number, cells, sla)
        except ValueError as error:
            raise UnreadableArrivals(f"line {reader.line_num}: {error}") from None


def _job(number: int, cells: Mapping[str, str], sla: float | None) -> Job:
    arrival, service = _moment("arrival", cells["arrival"]), _seconds("service", cells["service"])
    written = cells.get("deadline", "")
    if not written and sla is None:
        raise ValueError("there is no deadline; or give --sla")
    deadline = _moment("deadline", written) if written else arrival + (sla or 0.0)
    must = cells.get("must", "").lower() in YES
    return Job(number, arrival, service, deadline, cells.get("type", ""), must)


def _log(rows: Sequence[str], sla: float | None) -> Arrivals:
    if sla is None:
        raise UnreadableArrivals("a workload log has no deadlines: give its jobs an SLA with --sla")
    jobs: list[Job] = []
    passed_over = 0
    for number, row in enumerate(rows, 1):
        fields = row.split()
        if not fields or row.startswith(";"):
            continue
        try:
            arrival, service = float(fields[SUBMITTED]), float(fields[RAN])
            asked, executable = float(fields[ASKED_SECONDS]), fields[EXECUTABLE]
        except (ValueError, IndexError):
            raise UnreadableArrivals(f"line {number}: it has not the 18 numbers of the format") from None
        if not (abs(arrival) <= FARTHEST and abs(service) <= LONGEST and abs(asked) <= FARTHEST):
            raise UnreadableArrivals(f"line {number}: its times are none")
        if service <= 0:
            passed_over += 1
            continue
        # What users ask for tells jobs apart; how long such jobs take is measured.
        jobs.append(Job(len(jobs), arrival, service, arrival + sla, (executable, bucket(asked))))
    return Arrivals(jobs, passed_over)


def _moment(name: str, written: str) -> float:
    try:
        moment = float(written)
    except ValueError:
        try:
            when = datetime.fromisoformat(written)
        except ValueError:
            raise ValueError(f"{name} {written!r} is neither seconds nor a date and time") from None
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    if not abs(moment) <= FARTHEST:
        raise ValueError(f"{name} {written!r} is no moment")
    return moment


def _seconds(name: str, written: str) -> float:
    try:
        seconds = float(written)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= LONGEST:
        raise ValueError(f"{name} {written!r} is not a number of seconds above 0")
    return seconds
