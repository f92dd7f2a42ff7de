"""Word a cause and its remedies, for overview, incidents and texts alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from hms_oms.runtime.format import count
from hms_ops.forecast.cause import Cause, Remedy

#: A moment, as people read it.
Clock = Callable[[datetime], str]


def why(cause: Cause, at: Clock) -> str:
    """Word the cause and who has set it, as part of a sentence."""
    by = f" by {cause.set_by}" if cause.set_by else ""
    since = f" at {at(cause.set_at)}" if cause.set_at else ""
    match cause.kind:
        case "redis":
            return f"nothing is handed out, Redis {cause.refused}"
        case "dispatcher":
            return "nothing is handed out, the dispatcher is silent"
        case "paused":
            return f"the queue was paused{by}{since}" if by or since else "the queue is paused"
        case "no-worker" if cause.lost:
            return f"all its slots ({cause.lost:,}) are lost to hung steps"
        case "no-worker":
            return "no worker is there for it"
        case "limit":
            origin = f" (set{by}{since})" if by or since else ""
            return f"no more than {count(cause.limit or 0, 'job')} a minute may start{origin}"
        case "window":
            origin = f" (set{by}{since})" if by or since else ""
            return f"no more than {count(cause.limit or 0, 'job')} may stand in front of the workers{origin}"
        case "host":
            busy = "is" if len(cause.hosts) == 1 else "are"
            return f"{_listed(cause.hosts)} {busy} busy"
        case "slots":
            lost = f", and {cause.lost:,} more {'is' if cause.lost == 1 else 'are'} lost to hung steps"
            return "all slots are at work" + (lost if cause.lost else "")


def what_helps(cause: Cause) -> str:
    """Word the remedies, most effective first, as part of a sentence."""
    return _one_by_one([_IN_FULL.get(item.verb) or remedy(item) for item in cause.remedies])


def remedy(remedy: Remedy) -> str:
    """Word one remedy in a few words."""
    return _REMEDIES[remedy.verb](remedy)


def sentence(cause: Cause, at: Clock) -> str:
    """Word cause, remedies and the deadline that needs them, as the end of a sentence."""
    words = f"{why(cause, at)}: {what_helps(cause)}"
    if not cause.holds:
        return f"{words} to have them done sooner"
    if cause.deadline is None or cause.kind in ("redis", "dispatcher", "paused", "no-worker"):
        return words
    return f"{words} to meet each deadline that can be met; the tightest deadline is {at(cause.deadline)}"


def brief(cause: Cause) -> str:
    """The same in a few words, as they fit into a text."""
    return f"{_BRIEFLY[cause.kind](cause)}: {_one_by_one(list(map(remedy, cause.remedies)))}"


def _one_by_one(remedies: Sequence[str]) -> str:
    first, *more = remedies
    return first if not more else f"{first}, and then {_listed(more)}"


def _workers(remedy: Remedy) -> str:
    number, slots = remedy.number or 0, remedy.slots or 0
    return f"add {count(number, 'worker')} ({count(slots, 'slot')})"


def _start(remedy: Remedy) -> str:
    return f"start workers with {count(remedy.slots, 'slot')}" if remedy.slots else "start workers"


_BRIEFLY: dict[str, Callable[[Cause], str]] = {
    "redis": lambda cause: f"Redis {cause.refused}",
    "dispatcher": lambda _: "the dispatcher is silent",
    "paused": lambda _: "the queue is paused",
    "no-worker": lambda _: "no worker",
    "limit": lambda cause: f"limit {cause.limit:,} a minute",
    "window": lambda cause: f"window of {cause.limit:,}",
    "host": lambda cause: f"{_listed(cause.hosts)} busy",
    "slots": lambda _: "too few slots",
}
_REMEDIES: dict[str, Callable[[Remedy], str]] = {
    "restore-redis": lambda _: "bring it back",
    "start-dispatcher": lambda _: "start it",
    "resume": lambda _: "resume it",
    "start-workers": _start,
    "raise-limit": lambda remedy: (
        f"raise the limit to {remedy.number:,}" if remedy.number else "raise the limit"
    ),
    "lift-limit": lambda _: "lift the limit",
    "raise-window": lambda remedy: f"raise the window to {remedy.number:,}",
    "add-workers": _workers,
    "add-workers-elsewhere": lambda remedy: f"{_workers(remedy)} on another machine",
}
#: What a sentence has room for, and a button or a text has not.
_IN_FULL = {"lift-limit": "lift the limit and leave the pace to the workers"}


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
