"""What the door answers about measurements, incidents and who is called: frozen records, times in UTC."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Metric:
    """One measurement; `queue` and `subject` (a step or a host) are None where it has none.

    A `value` of None is "no data", which is not zero; `source` is 'events', 'ledger' or 'presence'.
    """

    name: str
    value: float | None
    queue: str | None
    at: datetime
    source: str
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of an incident's history."""

    at: datetime
    kind: str
    who: str | None
    detail: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Incident:
    """One incident: which rule holds for what, and how far it is. `reference` is short, as K7.

    `timeline` and `jobs` are told where one incident is asked for, and empty in a list.
    """

    id: int
    rule: str
    title: str
    queue: str | None
    subject: str | None
    state: str
    reference: str | None
    facts: Mapping[str, Any]
    worst: float
    late_jobs: int
    active_at: datetime
    opened_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    ack_expires_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None
    reopened: int
    flapping: bool
    timeline: tuple[Happening, ...] = ()
    jobs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Silence:
    """From `starts_at` until `ends_at` incidents of `rule` in `queue` (None: of any) call nobody."""

    id: int
    rule: str | None
    queue: str | None
    starts_at: datetime
    ends_at: datetime
    reason: str
    set_by: str
    set_at: datetime
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class OnCall:
    """The document of who is called in which order, who set it when and why, and who is on call `now`."""

    document: Mapping[str, Any] | None
    set_by: str | None
    set_at: datetime | None
    reason: str | None
    now: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a rule compares with, for one queue or for all (None): the value in force, and the default."""

    rule: str
    parameter: str
    queue: str | None
    value: float
    default: float


@dataclass(frozen=True, slots=True)
class Pulse:
    """The last beat of a program that must not fall silent."""

    name: str
    at: datetime | None
    age_seconds: float | None
    stale: bool
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Status:
    """Whether the watch and the pager are at work."""

    ok: bool
    beats: tuple[Pulse, ...]
