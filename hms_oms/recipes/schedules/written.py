"""Schedules as they are written: in the `[[schedule]]` of a recipe, or by a person."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlsplit

from hms_oms.recipes import payload_schema
from hms_oms.timetables import timetable
from hms_oms.timetables.timetable import Timetable

#: What is done of what was due while nobody was there to do it, and while the work of the run before is open.
CATCH_UP = ("none", "last", "all")
OVERLAP = ("start", "skip")
#: The longest bounds: of catching up, and of the wait for a file before somebody is called.
MOST_HOURS = 24 * 31
MOST_MINUTES = 24 * 60
#: Files of a folder that are taken where no pattern says which: what a cycle can be read from.
SUFFIXES = (".csv", ".ndjson", ".jsonl")
#: Those of JSON objects, one a line.
JSON_SUFFIXES = SUFFIXES[1:]
_SECRET = re.compile(r"[?#].*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class ScheduleSpec:
    """What is started when: one job with `payload`, or the cycle of the files of `source`.

    `source` is a folder below that of incoming files, with a pattern of names or without, or an https URL.
    `timezone` None is the office's. After an outage `catch_up` says which of the runs that were due in the
    last `catch_up_hours` are made up for, and `overlap` whether a run starts while work of the one before is
    open. A file that has not come after `missing_after_minutes` opens an incident.
    """

    name: str
    cron: str
    timezone: str | None = None
    calendar: str | None = None
    payload: Mapping[str, Any] | None = None
    source: str | None = None
    sla_minutes: float | None = None
    catch_up: str = "last"
    catch_up_hours: int = 24
    overlap: str = "start"
    missing_after_minutes: int = 15

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> ScheduleSpec:
        """Build one from a table of a recipe that has passed its schema."""
        return cls(**document)


#: The keys of a table `[[schedule]]`.
KEYS = tuple(field.name for field in fields(ScheduleSpec))


def faults(
    spec: ScheduleSpec, payload: Mapping[str, Any], columns: Sequence[object], office: str = "UTC"
) -> Iterator[tuple[str, str]]:
    """What is wrong with a schedule of a job type with this payload and these columns, by field."""
    yield from timetable.faults(Timetable(spec.cron, spec.timezone or office, spec.calendar))
    if (spec.payload is None) == (spec.source is None):
        yield "payload", "say either the payload of one job, or the source of a cycle's files"
    elif spec.payload is not None:
        for field, reason in payload_schema.faults(payload, spec.payload):
            yield ("payload" if field == "payload" else f"payload.{field}"), reason
    elif spec.source is not None:
        yield from (("source", fault) for fault in source_faults(spec.source, columns))
        if spec.catch_up == "all":
            reason = "a schedule of files catches up by its last run, which takes every new file: write last"
            yield "catch_up", reason


def document_faults(document: Mapping[str, Any]) -> list[str]:
    """What is wrong with the schedules of a recipe, each by its place in the document."""
    tables, columns = document.get("schedule", ()), document.get("columns", ())
    names = [table["name"] for table in tables]
    wrong = [f"schedule: {name} stands there twice" for name in dict.fromkeys(names) if names.count(name) > 1]
    for position, table in enumerate(tables):
        for field, reason in faults(ScheduleSpec.of(table), document["payload"], columns):
            wrong.append(f"schedule.{position}.{field}: {reason}")
    return wrong


def is_url(source: str) -> bool:
    """Whether a source is fetched, rather than read from a folder."""
    return "://" in source


def shown(source: str) -> str:
    """A source for people: without the query of a URL, which may hold a secret."""
    return _SECRET.sub("?...", source) if is_url(source) else source


def source_faults(source: str, columns: Sequence[object]) -> Iterator[str]:
    """What is wrong with a source of files for a type with these columns."""
    if is_url(source):
        yield from _url_faults(source)
        path = urlsplit(source).path
    else:
        path = source
        if source.startswith(("/", "~")) or ".." in source.split("/") or "\\" in source or not source.strip():
            yield (
                "must be a folder below that of incoming files (HMS_INCOMING), as grants or grants/day-*.csv,"
                " or an https URL"
            )
    if not columns and not path.lower().endswith(JSON_SUFFIXES):
        yield (
            "the recipe has no columns, so no CSV can be read by it: name files that end in .ndjson or .jsonl"
        )


def _url_faults(source: str) -> Iterator[str]:
    try:
        parts = urlsplit(source)
        host, user = parts.hostname, parts.username or parts.password
    except ValueError:
        yield "is not a URL"
        return
    if parts.scheme != "https" or not host:
        yield "must be an https URL, as https://files.example.gov/day.csv"
    if user:
        yield "must not hold a user or password: everybody who may read schedules would read it"
