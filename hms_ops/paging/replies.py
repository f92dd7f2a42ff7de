"""Replies of people: ACK K7, CLOSE K7, ACK ALL in their own words; and STOP, START, HELP.

Only a phone that was texted about an incident has a say in it; one that was never paged can only say whether
it wants texts at all. What nobody understands is answered a few times an hour at most: two machines must not
talk all night.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from hms_oms.messages import inbound
from hms_ops.incidents import actions, thresholds
from hms_ops.oncall import oncall
from hms_ops.paging import reply_words
from hms_ops.paging.reply_words import Act, Question, listed

#: How often within how long something that nobody understands is answered.
PUZZLED = 5
PUZZLED_SPAN = timedelta(hours=1)
#: The signs of an answer that goes as one text.
ONE_TEXT = 160

_STOP = ("stop", "stopall", "unsubscribe", "cancel", "end", "quit")
_START = ("start", "yes", "unstop")
_HELP = ("help", "info", "?")

#: The live incidents that a phone was texted about, by reference.
Known = Mapping[str, int]


def reply(connection: Connection, phone: str, body: str, now: datetime) -> str:
    """Do what somebody texted and return the answer to send back, '' for none."""
    words = re.findall(r"[a-z0-9?]+", body.lower())
    if len(words) == 1 and words[0] in (*_STOP, *_START):
        answer = _stop(connection, phone) if words[0] in _STOP else _start(connection, phone)
        inbound.note_reply(connection, phone, body, answer, now, understood=True)
        return answer
    if not _was_paged(connection, phone):
        return ""
    known = _known(connection, phone)
    meant = reply_words.read(body, list(known))
    if isinstance(meant, Act):
        answer = _done(connection, phone, meant, known, now)
    elif len(words) == 1 and words[0] in _HELP:
        answer = help_for(list(known))
    else:
        asked = meant.answer if isinstance(meant, Question) else help_for(list(known))
        answer = _at_most(asked, inbound.puzzled(connection, phone, now - PUZZLED_SPAN))
        inbound.note_reply(connection, phone, body, answer, now, understood=False)
        return answer
    inbound.note_reply(connection, phone, body, answer, now, understood=True)
    return answer


def help_for(references: Sequence[str]) -> str:
    """Help text, with the reference of one of this person's incidents as the example."""
    if not references:
        return "HMS: none of your incidents is open. START turns texts on, STOP ends all texts."
    reference = references[0]
    return (
        f"HMS: ACK {reference} takes on incident {reference}, CLOSE {reference} ends it,"
        " ACK ALL takes on all of yours. STOP ends all texts."
    )


def _at_most(answer: str, puzzled: int) -> str:
    """The answer to what nobody understands, until there were too many; the last one says so."""
    if puzzled >= PUZZLED:
        return ""
    last = " Only ACK and the name is answered for an hour now."
    return answer + last if puzzled == PUZZLED - 1 and len(answer + last) <= ONE_TEXT else answer


def _stop(connection: Connection, phone: str) -> str:
    inbound.opt_out(connection, phone)
    # The provider confirms it, and would not deliver an answer of ours.
    return ""


def _start(connection: Connection, phone: str) -> str:
    return "HMS: texts to this phone are on again." if inbound.opt_in(connection, phone) else ""


def _done(connection: Connection, phone: str, meant: Act, known: Known, now: datetime) -> str:
    named = {reference: known[reference] for reference in meant.references}
    if not named:
        return "HMS: none of your incidents is open."
    if meant.verb == "ack":
        return _acknowledge(connection, phone, named, now)
    for number in named.values():
        actions.resolve(connection, number, _who(connection, phone), "closed by text", now)
    return f"HMS: closed {listed(list(named))}."


def _acknowledge(connection: Connection, phone: str, known: Known, now: datetime) -> str:
    limits, who = thresholds.limits(connection), _who(connection, phone)
    for number in known.values():
        actions.acknowledge(connection, number, who, now, limits)
    return f"HMS: acknowledged {listed(list(known))}. CLOSE and the name ends one."


def _who(connection: Connection, phone: str) -> str:
    in_force = oncall.in_force(connection)
    document = in_force.document if in_force else oncall.DEFAULT
    names = [name for name, entry in document["recipients"].items() if oncall.phone_of(entry) == phone]
    return names[0] if names else f"phone ending in {phone[-2:]}"


def _was_paged(connection: Connection, phone: str) -> bool:
    query = f"select exists (select from oms.messages as message {_CARRIER} where {_HANDED})"  # noqa: S608
    return bool(connection.scalar(text(query), {"phone": phone}))


def _known(connection: Connection, phone: str) -> Known:
    rows = connection.execute(
        text(
            "select distinct part.reference, incident.id"  # noqa: S608
            f" from oms.messages as message {_CARRIER}"
            " join ops.incidents as part on part.id = message.incident_id"
            # One that was merged into another stands for that one.
            " join ops.incidents as incident on incident.id = coalesce(part.merged_into, part.id)"
            f" where {_HANDED} and incident.state = any(:live) order by incident.id"
        ),
        {"phone": phone, "live": list(actions.LIVE)},
    )
    return {row.reference: row.id for row in rows}


# A reply may be quicker than the provider's answer.
_CARRIER = "join oms.messages as carrier on carrier.id = coalesce(message.merged_into, message.id)"
_HANDED = "message.page and message.recipient = :phone and (carrier.handed_over or carrier.state = 'sending')"
