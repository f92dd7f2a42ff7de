"""Reconcile a text with the provider: does it exist there, should it be sent again or given up?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hms_oms.messages.records import Asked
from hms_ops.paging.senders import Sighting

#: At which ages a text whose answer was lost is asked for, in seconds; not there at the last, it goes again.
LOOKS = (5.0, 15.0, 30.0)
#: So many looks must have found nothing.
ENOUGH_LOOKS = 2
#: How often a text is attempted at most by a sender that cannot be asked; each but the first is labelled.
UNASKED_ATTEMPTS = 4
#: Where the provider's list does not answer at all, the text is sent again at this age, in seconds.
BLIND_SECONDS = 90.0
#: From which HTTP status on an answer may mean an outage; how often a text is attempted at most, and how long
#: the provider's list is waited for, in seconds, to tell whether the text is there.
OUTAGE = 500
MOST_ATTEMPTS = 10
LONGEST_SECONDS = 1800.0
#: How far the provider's clock may be off.
SKEW = timedelta(minutes=10)

#: How long to wait before asking what became of a text, and up to which the wait is doubled; in seconds.
ASK_SECONDS = (60.0, 900.0)
#: From which age on its end is not waited for, in seconds: pages, and applicants' texts.
PAGE_HORIZON_SECONDS = 600.0
TEXT_HORIZON_SECONDS = 5 * 3600.0


@dataclass(frozen=True, slots=True)
class Step:
    """Next `state` of a text without an answer, to be applied after `delay` seconds."""

    state: str
    delay: float = 0.0
    resend: bool = False
    fault: str | None = None


def seen(
    sightings: Sequence[Sighting], claimed: Collection[str], started_at: datetime, sid: str | None
) -> Sighting | None:
    """The one that is our text: that of our `sid`, else one not another's, and not older than our attempt."""
    for sighting in sightings:
        old = sighting.created_at is not None and sighting.created_at < started_at - SKEW
        if sighting.sid == sid or (sighting.sid not in claimed and not old):
            return sighting
    return None


def next_step(asked: Asked, looks: int, *, askable: bool = True) -> Step:
    """Decide about a text that is missing at the provider, or not final there, after so many `looks`."""
    if asked.state == "unknown":
        return _lost(asked, looks) if askable else _untold(asked)
    horizon = PAGE_HORIZON_SECONDS if asked.text.page else TEXT_HORIZON_SECONDS
    if asked.age >= horizon:
        return Step("unconfirmed", fault="the provider never said whether it arrived")
    first, longest = ASK_SECONDS
    return Step(asked.state, min(longest, first * 2 ** min(asked.polls, 10), horizon - asked.age))


def _untold(asked: Asked) -> Step:
    """Decide about a text of a sender that can never tell: waiting for long makes nobody the wiser."""
    attempt = asked.text.attempt
    wait = LOOKS[min(attempt, len(LOOKS)) - 1]
    if asked.age < wait:
        return Step("unknown", wait - asked.age)
    if attempt < UNASKED_ATTEMPTS:
        return Step("pending", resend=True)
    return Step("failed", fault=f"the answers to {attempt} attempts were lost")


def _lost(asked: Asked, looks: int) -> Step:
    absent = looks >= ENOUGH_LOOKS and asked.age >= LOOKS[-1]
    blind = not absent and asked.age >= BLIND_SECONDS
    # Where the provider's own list says that nothing is there, sending again doubles nothing. It may lag, so
    # that from the second time on it is believed only after longer.
    sure = absent and asked.age >= BLIND_SECONDS and asked.text.attempt < MOST_ATTEMPTS
    if ((absent or blind) and not asked.text.resend) or sure:
        return Step("pending", resend=True)
    # During an outage of the provider its list is out, too: it is waited for.
    out = asked.http_status is not None and asked.http_status >= OUTAGE
    over = absent and asked.text.attempt >= MOST_ATTEMPTS
    if over or (blind and not out) or asked.age >= LONGEST_SECONDS:
        return Step("failed", fault="the answer was lost, and so was that to the resend")
    coming = [look for look in LOOKS if look > asked.age]
    return Step("unknown", coming[0] - asked.age if coming else LOOKS[1])
