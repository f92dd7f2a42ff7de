"""Texts on their way from the outbox to a sender and back: plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Dispatch:
    """A text taken for one hand-over: attempt number `attempt`, tried for the `tries`-th time.

    `token` is the same however often it is handed over. After `write_by` (monotonic seconds) not a byte of it
    may be written: the lease may be someone else's by then. `sid` is the provider's name of it, where known.
    """

    id: int
    fence: int
    attempt: int
    tries: int
    token: str
    page: bool
    kind: str
    reference: str | None
    recipient: str
    body: str
    resend: bool
    sid: str | None
    write_by: float


@dataclass(frozen=True, slots=True)
class Asked:
    """A text to ask the provider about: its answer was lost (`unknown`), or its arrival is not heard of.

    `age` is how long it has been so, in seconds; `polls` how often the provider was asked without an answer;
    `http_status` how the hand-over was answered, if it was.
    """

    text: Dispatch
    state: str
    polls: int
    age: float
    started_at: datetime
    http_status: int | None


@dataclass(frozen=True, slots=True)
class WaitingPage:
    """A page that may go now; one that was `handed_over` before keeps its wording and goes by itself."""

    id: int
    fence: int
    kind: str
    reference: str | None
    recipient: str
    body: str
    incident: int | None
    queue: str | None
    handed_over: bool
    opted_out: bool
    created_at: datetime
    due_at: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class WaitingText:
    """A text to an applicant that may go now."""

    id: int
    fence: int
    recipient: str
    opted_out: bool


@dataclass(frozen=True, slots=True)
class EndedLease:
    """A text taken over from a taker that is gone; `open_at` names the sender of an attempt still open."""

    id: int
    fence: int
    tries: int
    open_at: str | None


@dataclass(frozen=True, slots=True)
class OutgoingText:
    """What goes out as one text: a carrier, those merged into it, and the wording that they share."""

    id: int
    fence: int
    members: Sequence[tuple[int, int]] = ()
    carried: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """How a hand-over went: the text's next `state`, looked at again after `delay` seconds.

    `outcome` is written to the attempt: 'not sent' where it surely did not reach the provider.
    """

    id: int
    fence: int
    state: str
    outcome: str
    sid: str | None = None
    http_status: int | None = None
    code: str | None = None
    fault: str | None = None
    delay: float = 0.0
