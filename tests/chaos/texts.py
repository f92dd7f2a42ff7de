"""What is promised of texts, and whether the handsets show it: each once, or marked as sent again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hms_oms.jobs.states import Status
from hms_ops.paging.outcomes import LABEL


@dataclass(frozen=True, slots=True)
class Shown:
    """A text on a handset, and when it got there."""

    phone: str
    body: str
    at: float


@dataclass(frozen=True)
class Texts:
    """Texts by phone, of which each has one: the pages that were put, with the time, and what jobs send.

    `sending` are the texts of jobs, by the job's key. `states` says how the ledger has each phone's text.
    """

    pages: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    sending: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    shown: Sequence[Shown] = ()
    states: Mapping[str, str] = field(default_factory=dict)


def due(texts: Texts, done: Mapping[str, str]) -> dict[str, str]:
    """The bodies that must have come, by phone; `done` has the status of jobs by their key."""
    bodies = {phone: body for phone, (body, _) in texts.pages.items()}
    bodies.update(pair for key, pair in texts.sending.items() if done.get(key) == Status.DONE)
    return bodies


def missing(texts: Texts, done: Mapping[str, str]) -> list[str]:
    """Texts that were promised and came to no handset, a sentence each."""
    bodies = {(shown.phone, shown.body.removesuffix(LABEL)) for shown in texts.shown}
    return [
        f"{phone} was to get {body!r}, which the ledger has as {texts.states.get(phone)}"
        for phone, body in due(texts, done).items()
        if (phone, body) not in bodies
    ]


def unlabelled_twice(texts: Texts) -> list[str]:
    """Texts that came again and do not say so, a sentence each."""
    return [
        f"{phone} got {number} times {body!r}, and {unlabelled} of them do not say that they are a second one"
        for phone, body, number, unlabelled in _counted(texts)
        if unlabelled > 1
    ]


def foreign(texts: Texts, done: Mapping[str, str]) -> list[str]:
    """Texts to a phone of the storm's that nobody has asked for, a sentence each."""
    bodies = due(texts, done)
    ours = {*texts.pages, *(phone for phone, _ in texts.sending.values())}
    return [
        f"{shown.phone} got {shown.body!r}, which nobody has asked for"
        for shown in texts.shown
        if shown.phone in ours and bodies.get(shown.phone) != shown.body.removesuffix(LABEL)
    ]


def repeated(texts: Texts) -> int:
    """How many texts came again, and say so."""
    return sum(number - 1 for _, _, number, _ in _counted(texts))


def seconds(texts: Texts) -> list[float]:
    """How long each page took to its handset, in seconds."""
    first: dict[str, float] = {}
    for shown in texts.shown:
        first.setdefault(shown.phone, shown.at)
    return [first[phone] - at for phone, (_, at) in texts.pages.items() if phone in first]


def _counted(texts: Texts) -> Iterator[tuple[str, str, int, int]]:
    """For each text its phone and body, how often it came, and how often without a label."""
    counts: dict[tuple[str, str], list[bool]] = {}
    for shown in texts.shown:
        labelled = shown.body.endswith(LABEL)
        counts.setdefault((shown.phone, shown.body.removesuffix(LABEL)), []).append(labelled)
    for (phone, body), labels in counts.items():
        yield phone, body, len(labels), len(labels) - sum(labels)
