"""Decide why jobs are late or will be, and what would help: once, for all who tell people.

What binds now comes first. What would bind next, once that is mended, follows as a further remedy: after the
limit is raised, workers may be missing as well.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal

#: Why: Redis takes nothing; no dispatcher is at work; the queue is paused; no worker serves it; no more jobs
#: may start a minute; too few may stand in front of the workers; the machines of its workers are busy; there
#: are too few slots.
Kind = Literal["redis", "dispatcher", "paused", "no-worker", "limit", "window", "host", "slots"]
#: What would help. The number is of starts a minute, of jobs in the window, or of workers. A limit is lifted
#: where only the workers are to set the pace.
Verb = Literal[
    "restore-redis",
    "start-dispatcher",
    "resume",
    "start-workers",
    "raise-limit",
    "lift-limit",
    "raise-window",
    "add-workers",
    "add-workers-elsewhere",
]

#: A machine is busy from this load of all its cores on, in percent: as the rule of busy hosts has it.
BUSY_PERCENT = 90.0


@dataclass(frozen=True, slots=True)
class Standing:
    """Input of the decision: the counts of a queue, its settings, and what its forecast asks for.

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
    """A remedy; `slots` is the number of missing ones if workers are to be added."""

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
        """The remedy to try first."""
        return self.remedies[0]


def standing_of(queue: object, **facts: Any) -> Standing:
    """Standing of a queue: `facts`, and all else under the names that `queue` has for it."""
    names = [field.name for field in fields(Standing) if field.name not in facts]
    return Standing(**facts, **{name: getattr(queue, name) for name in names})


def decide(standing: Standing) -> Cause | None:
    """The cause that binds now; None where nothing is late or will be, or where nothing would help."""
    if not standing.late and not standing.at_risk:
        return None
    causes = list(_causes(standing))
    if not causes:
        return None
    kind, _, more = causes[0]
    return Cause(
        kind,
        tuple(remedy for _, remedy, _ in causes),
        holds=all(facts.get("holds", True) for _, _, facts in causes),
        deadline=standing.deadline,
        lost=standing.slots_lost,
        **{name: value for name, value in more.items() if name != "holds"},
    )


def busy_hosts(loads: Iterable[tuple[str, float]]) -> Sequence[str]:
    """The machines of a queue's workers with their loads, if all of them are busy."""
    shares = dict(loads)
    return sorted(shares) if min(shares.values(), default=0.0) >= BUSY_PERCENT else ()


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
            {"verb": remedy.verb, "number": remedy.number, "slots": remedy.slots} for remedy in cause.remedies
        ],
    }


def read(document: Mapping[str, Any] | None) -> Cause | None:
    """A cause from its document."""
    if not document:
        return None
    set_at, deadline = document["setAt"], document["deadline"]
    return Cause(
        document["kind"],
        tuple(Remedy(remedy["verb"], remedy["number"], remedy["slots"]) for remedy in document["remedies"]),
        document["setBy"],
        set_at and datetime.fromisoformat(set_at),
        document["limit"],
        document["holds"],
        deadline and datetime.fromisoformat(deadline),
        tuple(document["hosts"]),
        # Incidents of earlier versions know of none.
        document.get("lost", 0),
        document.get("refused"),
    )


#: A cause with its remedy and what else is known of it.
_Part = tuple[Kind, Remedy, Mapping[str, Any]]


def _causes(standing: Standing) -> Iterator[_Part]:
    """All that stands in the way, in the order in which it binds."""
    if not standing.agents:  # whose jobs nobody hands out
        yield from _stopped(standing)
    if standing.paused_at is not None:
        yield "paused", Remedy("resume"), {"set_by": standing.paused_by, "set_at": standing.paused_at}
    if standing.agents:
        return
    if not standing.workers:
        yield "no-worker", Remedy("start-workers", slots=standing.slots_needed or None), {}
    limited, small = list(_limit(standing)), list(_window(standing))
    yield from small if standing.window_size == 0 else ()
    yield from limited if _limit_binds(standing) else ()
    yield from small if standing.window_size != 0 else ()
    # A small window has slots idle: how many they should be is known once it is larger.
    if standing.workers and not small:
        yield from _slots(standing)
    yield from limited if not _limit_binds(standing) else ()


def _stopped(standing: Standing) -> Iterator[_Part]:
    """Why nothing is handed out, whatever is set for the queue."""
    if standing.undispatched:
        yield "dispatcher", Remedy("start-dispatcher"), {}
    elif standing.refused:
        yield "redis", Remedy("restore-redis"), {"refused": standing.refused}


def _limit_binds(standing: Standing) -> bool:
    """Whether slots idle because of the limit of starts a minute."""
    if standing.starts_per_minute is None or not standing.workers:
        return False
    if standing.slot_rate is None:
        return _idle(standing)
    return standing.starts_per_minute < _rounded(60 * standing.slots * standing.slot_rate)


def _limit(standing: Standing) -> Iterator[_Part]:
    limit = standing.starts_per_minute
    if limit is None:
        return
    origin = {"set_by": standing.starts_set_by, "set_at": standing.starts_set_at, "limit": limit}
    if standing.limit_needed is not None and standing.limit_needed > limit:
        yield "limit", _higher_limit(standing, standing.limit_needed), origin
    elif _limit_binds(standing) and standing.waiting:
        # How much all slots could start follows the steps of the last seconds: it is no number to set.
        more: Verb = "raise-limit" if standing.slot_rate is None else "lift-limit"
        yield "limit", Remedy(more), {**origin, "holds": False}


def _higher_limit(standing: Standing, needed: int) -> Remedy:
    """A limit that is enough; none if that is more than the slots could start, even with those missing."""
    slots = max(standing.slots, standing.slots_needed or 0)
    if standing.slot_rate is not None and needed > _rounded(60 * slots * standing.slot_rate):
        return Remedy("lift-limit")
    return Remedy("raise-limit", _two_digits(needed))


def _window(standing: Standing) -> Iterator[_Part]:
    """A window that was set by hand, and is smaller than the slots need it to be."""
    size, enough = standing.window_size, 2 * max(1, standing.slots)
    if size is not None and size < enough and (size == 0 or _idle(standing)):
        origin = {"set_by": standing.window_set_by, "set_at": standing.window_set_at, "limit": size}
        yield "window", Remedy("raise-window", enough), origin


def _slots(standing: Standing) -> Iterator[_Part]:
    missing = (standing.slots_needed or 0) - standing.slots
    if missing <= 0:
        return
    workers = math.ceil(missing * standing.workers / standing.slots) if standing.slots else missing
    if standing.busy_hosts:
        yield "host", Remedy("add-workers-elsewhere", workers, missing), {"hosts": tuple(standing.busy_hosts)}
    else:
        yield "slots", Remedy("add-workers", workers, missing), {}


def _idle(standing: Standing) -> bool:
    """Whether slots idle though there is work that may start."""
    return standing.waiting > 0 and standing.queued + standing.running < standing.slots


def _two_digits(number: int) -> int:
    """The number, rounded up to two significant digits: it stays the same while jobs come and go."""
    unit: int = 10 ** max(0, len(str(number)) - 2)
    return math.ceil(number / unit) * unit


def _rounded(number: float) -> int:
    return math.ceil(number - 1e-6)
