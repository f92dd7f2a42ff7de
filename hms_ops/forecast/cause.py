"""Why jobs are late or will be, and what would help: decided here once, for everything that tells people.

What binds now comes first. What would bind next, once that is mended, follows as a further remedy: after the
limit is raised, workers may be missing as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

#: Why: Redis takes nothing; no dispatcher is at work; the queue is paused; no worker serves it; no more jobs
#: may start a minute; too few may stand in front of the workers; the machines of its workers are busy; there
#: are too few slots.
Kind = Literal["redis", "dispatcher", "paused", "no-worker", "limit", "window", "host", "slots"]
#: What would help. The number is of starts a minute, of jobs in the window, or of workers.
Verb = Literal[
    "restore-redis",
    "start-dispatcher",
    "resume",
    "start-workers",
    "raise-limit",
    "raise-window",
    "add-workers",
    "add-workers-elsewhere",
]

#: A machine is busy from this load of all its cores on, in percent: as the rule of busy hosts has it.
BUSY_PERCENT = 90.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What the decision rests on: how a queue stands, what is set for it, and what its forecast asks for.

    `queued` jobs stand in the window. `slot_rate` is what one slot gets done in a second, `slots_needed` and
    `limit_needed` hold what can be held (None: it cannot be told), `deadline` is the binding one.
    `busy_hosts` are the machines of its workers if all of them are busy. `agents`: it needs no worker.
    Beside the `slots` that do its work, `slots_lost` are lost to steps that hang. `refused` is what Redis
    does instead of taking what is handed out (None: it takes it); `undispatched`: the dispatcher is silent.
    """

    late: int = 0
    at_risk: int = 0
    waiting: int = 0
    queued: int = 0
    running: int = 0
    workers: int = 0
    slots: int = 0
    agents: bool = False
    paused_at: datetime | None = None
    paused_by: str | None = None
    starts_per_minute: int | None = None
    starts_set_by: str | None = None
    starts_set_at: datetime | None = None
    window_size: int | None = None
    window_set_by: str | None = None
    window_set_at: datetime | None = None
    slot_rate: float | None = None
    slots_needed: int | None = None
    limit_needed: int | None = None
    deadline: datetime | None = None
    busy_hosts: Sequence[str] = ()
    slots_lost: int = 0
    refused: str | None = None
    undispatched: bool = False


@dataclass(frozen=True, slots=True)
class Remedy:
    """What would help; `slots` are those that are missing where workers are to be added."""

    verb: Verb
    number: int | None = None
    slots: int | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why jobs of a queue are late or will be, who has set that and when, and the remedies, the first first.

    `limit` is the limit in force: starts a minute, or jobs in the window. `holds`: with the remedies every
    deadline that can be held is held; otherwise they only have the late jobs done sooner. `deadline` is the
    one that asks for the most. So many slots are `lost` to steps that hang. `refused` is what Redis does
    instead of taking what is handed out.
    """

    kind: Kind
    remedies: tuple[Remedy, ...]
    set_by: str | None = None
    set_at: datetime | None = None
    limit: int | None = None
    holds: bool = True
    deadline: datetime | None = None
    hosts: tuple[str, ...] = ()
    lost: int = 0
    refused: str | None = None

    @property
    def first(self) -> Remedy:
        """What to do first."""
        return self.remedies[0]


def decide(seen: Standing) -> Cause | None:
    """The cause that binds now; None where nothing is late or will be, or where nothing would help."""
    if not seen.late and not seen.at_risk:
        return None
    causes = list(_causes(seen))
    if not causes:
        return None
    kind, _, more = causes[0]
    return Cause(
        kind,
        tuple(remedy for _, remedy, _ in causes),
        holds=all(each.get("holds", True) for _, _, each in causes),
        deadline=seen.deadline,
        lost=seen.slots_lost,
        **{name: value for name, value in more.items() if name != "holds"},
    )


def busy_hosts(loads: Iterable[tuple[str, float]]) -> Sequence[str]:
    """The machines of a queue's workers with their loads, if all of them are busy."""
    found = dict(loads)
    return sorted(found) if min(found.values(), default=0.0) >= BUSY_PERCENT else ()


def document(cause: Cause | None) -> dict[str, Any] | None:
    """A cause as JSON values, as facts of an incident and answers of the API hold it."""
    if cause is None:
        return None
    return {
        "kind": cause.kind,
        "setBy": cause.set_by,
        "setAt": cause.set_at and cause.set_at.isoformat(),
        "limit": cause.limit,
        "holds": cause.holds,
        "deadline": cause.deadline and cause.deadline.isoformat(),
        "hosts": list(cause.hosts),
        "lost": cause.lost,
        "refused": cause.refused,
        "remedies": [
            {"verb": each.verb, "number": each.number, "slots": each.slots} for each in cause.remedies
        ],
    }


def read(found: Mapping[str, Any] | None) -> Cause | None:
    """A cause from its document."""
    if not found:
        return None
    set_at, deadline = found["setAt"], found["deadline"]
    return Cause(
        found["kind"],
        tuple(Remedy(each["verb"], each["number"], each["slots"]) for each in found["remedies"]),
        found["setBy"],
        set_at and datetime.fromisoformat(set_at),
        found["limit"],
        found["holds"],
        deadline and datetime.fromisoformat(deadline),
        tuple(found["hosts"]),
        # Incidents of earlier versions know of none.
        found.get("lost", 0),
        found.get("refused"),
    )


#: A cause with its remedy and what else is known of it.
_Part = tuple[Kind, Remedy, Mapping[str, Any]]


def _causes(seen: Standing) -> Iterator[_Part]:
    """All that stands in the way, in the order in which it binds."""
    if not seen.agents:  # whose jobs nobody hands out
        yield from _stopped(seen)
    if seen.paused_at is not None:
        yield "paused", Remedy("resume"), {"set_by": seen.paused_by, "set_at": seen.paused_at}
    if seen.agents:
        return
    if not seen.workers:
        yield "no-worker", Remedy("start-workers", slots=seen.slots_needed or None), {}
    limited, small = list(_limit(seen)), list(_window(seen))
    yield from small if seen.window_size == 0 else ()
    yield from limited if _limit_binds(seen) else ()
    yield from small if seen.window_size != 0 else ()
    # A small window has slots idle: how many they should be is known once it is larger.
    if seen.workers and not small:
        yield from _slots(seen)
    yield from limited if not _limit_binds(seen) else ()


def _stopped(seen: Standing) -> Iterator[_Part]:
    """Why nothing is handed out, whatever is set for the queue."""
    if seen.undispatched:
        yield "dispatcher", Remedy("start-dispatcher"), {}
    elif seen.refused:
        yield "redis", Remedy("restore-redis"), {"refused": seen.refused}


def _limit_binds(seen: Standing) -> bool:
    """Whether slots idle because of the limit of starts a minute."""
    if seen.starts_per_minute is None or not seen.workers:
        return False
    if seen.slot_rate is None:
        return _idle(seen)
    return seen.starts_per_minute < _rounded(60 * seen.slots * seen.slot_rate)


def _limit(seen: Standing) -> Iterator[_Part]:
    limit = seen.starts_per_minute
    if limit is None:
        return
    told = {"set_by": seen.starts_set_by, "set_at": seen.starts_set_at, "limit": limit}
    if seen.limit_needed is not None and seen.limit_needed > limit:
        yield "limit", Remedy("raise-limit", seen.limit_needed), told
    elif _limit_binds(seen) and seen.waiting:
        all_slots = None if seen.slot_rate is None else _rounded(60 * seen.slots * seen.slot_rate)
        yield "limit", Remedy("raise-limit", all_slots), {**told, "holds": False}


def _window(seen: Standing) -> Iterator[_Part]:
    """A window that was set by hand, and is smaller than the slots need it to be."""
    size, enough = seen.window_size, 2 * max(1, seen.slots)
    if size is not None and size < enough and (size == 0 or _idle(seen)):
        told = {"set_by": seen.window_set_by, "set_at": seen.window_set_at, "limit": size}
        yield "window", Remedy("raise-window", enough), told


def _slots(seen: Standing) -> Iterator[_Part]:
    missing = (seen.slots_needed or 0) - seen.slots
    if missing <= 0:
        return
    workers = math.ceil(missing * seen.workers / seen.slots) if seen.slots else missing
    if seen.busy_hosts:
        yield "host", Remedy("add-workers-elsewhere", workers, missing), {"hosts": tuple(seen.busy_hosts)}
    else:
        yield "slots", Remedy("add-workers", workers, missing), {}


def _idle(seen: Standing) -> bool:
    """Whether slots idle though there is work that may start."""
    return seen.waiting > 0 and seen.queued + seen.running < seen.slots


def _rounded(number: float) -> int:
    return math.ceil(number - 1e-6)
