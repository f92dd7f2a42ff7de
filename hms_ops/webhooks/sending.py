"""One attempt to deliver an event: resolve, sign, post, and what the answer means."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import httpx

from hms_oms.database import plain_text
from hms_ops.paging.senders.exchange import AnswerLost, Exchange, NotSent, retry_after
from hms_ops.webhooks import addresses, events, signing
from hms_ops.webhooks.addresses import Network
from hms_ops.webhooks.outbox import Receiver, Taken

#: After the first attempt that fails the next one is made so many seconds later, and so on; then as the last.
DELAYS = (5.0, 30.0, 120.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 28800.0)
#: After so many failures in a row a webhook is left alone, and one event at a time tries.
BREAK_AFTER = 5
#: How long it is left alone: from, to; in seconds.
ALONE_SECONDS = (30.0, 600.0)
#: The longest that a receiver may ask to be left alone, in seconds.
LONGEST_WAIT_SECONDS = 3600.0
MOST_WORDS = 300
USER_AGENT = "hms-webhooks/1"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went: `outcome` is delivered, refused, not sent or unknown."""

    outcome: str
    http_status: int | None = None
    fault: str | None = None
    retry_after: float | None = None

    @property
    def gone(self) -> bool:
        """Whether the receiver wants to hear nothing more."""
        return self.http_status == httpx.codes.GONE


@dataclass(frozen=True, slots=True)
class Next:
    """What follows: the event becomes `state`, due after `delay`; its webhook is left `alone` so long."""

    state: str
    delay: float = 0.0
    alone: float = 0.0


class Courier:
    """Delivers events of one installation, called `source`; may be shared by threads."""

    def __init__(self, source: str, allowed: Sequence[Network]) -> None:
        self._source = source
        self._allowed = allowed
        self._exchange = Exchange(proxies=False)

    def deliver(self, receiver: Receiver, key: bytes, taken: Taken, write_by: float) -> Outcome:
        """Make one attempt, which is not written after `write_by` (monotonic seconds); it never raises."""
        secret = signing.secret(key, receiver.id, receiver.salt)
        if signing.check(secret) != receiver.key_check:
            return Outcome(
                "not sent", fault="its secret was made with another HMS_EVENTS_KEY than is set here"
            )
        body = events.body(
            source=self._source,
            event_id=taken.event_id,
            event=taken.event,
            subject=taken.subject,
            at=taken.at,
            data=taken.data,
        )
        try:
            target = addresses.target(receiver.url, self._allowed)
            answer = self._exchange.deliver(
                target.dialled,
                server_name=target.host,
                write_by=write_by,
                content=body,
                headers={
                    "Host": target.host_header,
                    "Content-Type": events.CONTENT_TYPE,
                    "User-Agent": USER_AGENT,
                    **signing.headers(secret, taken.event_id, int(time.time()), body),
                },
            )
        except (addresses.BadAddress, addresses.Unresolved, NotSent) as error:
            return Outcome("not sent", fault=_kept(str(error)))
        except AnswerLost as error:
            return Outcome("unknown", fault=_kept(str(error)))
        except Exception as error:  # noqa: BLE001 -- whatever it was, only this attempt has failed
            return Outcome("unknown", fault=f"it could not be sent: {type(error).__name__}")
        return read(answer.status_code, answer.headers.get("Retry-After"))


def read(status: int, wait: str | None = None) -> Outcome:
    """What an answer means; `wait` is its Retry-After header."""
    if 200 <= status < 300:
        return Outcome("delivered", status)
    more = ": redirects are not followed" if 300 <= status < 400 else ""
    return Outcome(
        "refused", status, f"HTTP {status}{more}", retry_after(wait) if status in (429, 503) else None
    )


def after(outcome: Outcome, *, attempt: int, failures: int, seconds_left: float) -> Next:
    """What follows from an attempt: `failures` of its webhook in a row came before it."""
    if outcome.outcome == "delivered":
        return Next("delivered")
    asked = min(outcome.retry_after or 0.0, LONGEST_WAIT_SECONDS)
    delay = max(DELAYS[min(attempt, len(DELAYS)) - 1] * random.uniform(0.9, 1.1), asked)  # noqa: S311
    beyond = failures + 1 - BREAK_AFTER
    least, most = ALONE_SECONDS
    alone = max(min(least * 2 ** min(beyond, 10), most) if beyond >= 0 else 0.0, asked)
    return Next("failed" if delay > seconds_left else "pending", delay, alone)


def _kept(words: str) -> str:
    return plain_text.plain(words)[:MOST_WORDS]
