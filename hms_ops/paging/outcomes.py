"""Classify what follows from an attempt: from its answer, or from the loss of its process."""

from __future__ import annotations

import logging
import random
from dataclasses import replace
from typing import Protocol

from sqlalchemy import Connection

from hms_oms.database import plain_text
from hms_oms.database.connections import RawConnection
from hms_oms.messages import delivery, gsm7
from hms_oms.messages.records import Answer
from hms_ops.paging.senders import Outcome, Result

log = logging.getLogger(__name__)

#: How long to wait before trying again what was surely not sent, in seconds: from, to.
BACKOFF_SECONDS = (0.5, 30.0)
#: The longest wait that a provider may ask for, in seconds.
LONGEST_WAIT_SECONDS = 600.0
#: When to ask first what became of a text, in seconds: one whose answer was lost, and one that was taken.
LOST_SECONDS = 5.0
TAKEN_SECONDS = 60.0
#: How long after a fault of the carrier the text is sent again, in seconds.
RENEW_SECONDS = 60.0
#: Faults of the carrier that pass: no handset, unknown, provider's own, too late, too many.
PASSING = frozenset({"30003", "30008", "30500", "30036", "30001"})

#: Of what a provider says, so many characters are kept.
MOST_WORDS = 500

#: What marks a text that may have come before.
LABEL = " (resend)"


class Taken(Protocol):
    """A text under our lease."""

    @property
    def id(self) -> int:
        """The text."""

    @property
    def fence(self) -> int:
        """The fence that it was taken under."""

    @property
    def tries(self) -> int:
        """How often its attempt was tried."""


def after(outcome: Outcome, taken: Taken, *, repeatable: bool) -> Answer:
    """Next state of a text after this outcome; a `repeatable` sender tries lost requests again."""
    state, word, delay = "failed", "failed", 0.0
    match outcome.result:
        case Result.TAKEN:
            state = word = outcome.status
            delay = TAKEN_SECONDS
        case Result.NOT_SENT:
            state, word, delay = "pending", "not sent", backoff(taken.tries)
        case Result.BUSY:
            state, word, delay = "pending", "not sent", patience(outcome, taken.tries)
        case Result.MISCONFIGURED:
            state, word = "pending", "not sent"
        case Result.UNKNOWN if repeatable:
            state, word, delay = "pending", "unknown", backoff(taken.tries)
        case Result.UNKNOWN:
            state, word, delay = "unknown", "unknown", LOST_SECONDS
    return Answer(
        taken.id,
        taken.fence,
        state,
        word,
        outcome.sid,
        outcome.http_status,
        outcome.code,
        outcome.fault,
        delay,
    )


def backoff(tries: int) -> float:
    """How long to wait after the `tries`-th try, in seconds: at random up to a bound that doubles."""
    least, most = BACKOFF_SECONDS
    return random.uniform(0, min(most, least * 2 ** min(tries, 10)))  # noqa: S311 (nobody guesses it)


def patience(outcome: Outcome, tries: int) -> float:
    """How long to wait where there were too many, in seconds."""
    return max(min(outcome.retry_after or 0.0, LONGEST_WAIT_SECONDS), backoff(tries))


def reported(
    connection: Connection | RawConnection,
    message: int,
    attempt: int,
    status: str,
    sid: str | None,
    code: str | None,
) -> None:
    """Take over a status that the provider tells of an attempt, called back or asked for."""
    sid, code = _kept(sid), _kept(code)
    failed = status in ("failed", "undelivered")
    passing = failed and code in PASSING
    moved = delivery.report(
        connection,
        message=message,
        attempt=attempt,
        status=status,
        sid=sid,
        code=code,
        passing=passing,
        fault=f"{status}, code {code}" if failed and code else status if failed else None,
        delay=RENEW_SECONDS if passing else TAKEN_SECONDS,
    )
    if moved is None:
        return
    was, now = moved
    if now == "delivered" and was in ("failed", "undelivered", "cancelled", "expired"):
        log.warning("text %d was %s and is delivered after all", message, was)
    elif now in ("failed", "undelivered"):
        log.error("text %d did not arrive: %s, code %s", message, status, code)


def kept(outcome: Outcome) -> Outcome:
    """The outcome without what neither the ledger nor a log can keep of a provider's words."""
    return replace(outcome, sid=_kept(outcome.sid), code=_kept(outcome.code), fault=_kept(outcome.fault))


def _kept(words: str | None) -> str | None:
    """Response of a provider without characters that the ledger cannot store."""
    return None if words is None else plain_text.plain(words)[:MOST_WORDS]


def labelled(body: str) -> str:
    """The text as it goes a second time after an answer was lost, in one segment if it was one before."""
    room = gsm7.ONE_SEGMENT - len(LABEL)
    try:
        full = room < gsm7.septets(body) <= gsm7.ONE_SEGMENT
    except UnicodeEncodeError:
        full = False
    return (gsm7.encodable(body, room) if full else body) + LABEL
