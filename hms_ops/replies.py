"""What people text back: ACK K7, CLOSE K7, ACK ALL, STOP, START, HELP; in any case, with or without signs.

Only a phone that was texted about an incident has a say in it; one that was never paged can only say whether
it wants texts at all. What nobody understands is answered a few times an hour at most: two machines must not
talk all night.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from hms_oms import inbound
from hms_ops import incidents, oncall, thresholds

#: How often within how long something that nobody understands is answered.
PUZZLED = 5
PUZZLED_SPAN = timedelta(hours=1)

HELP = (
    "HMS: ACK K7 takes on incident K7, CLOSE K7 ends it, ACK ALL takes on all of yours. STOP ends all texts."
)

_ACK = ("ack", "acknowledge", "acknowledged", "a", "ok")
_CLOSE = ("close", "resolve", "c")
_VERBS = (*_ACK, *_CLOSE)
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
    done = _do(connection, phone, words, now)
    tired = done is None and inbound.puzzled(connection, phone, now - PUZZLED_SPAN) >= PUZZLED
    answer = "" if tired else HELP if done is None else done
    inbound.note_reply(connection, phone, body, answer, now, understood=done is not None)
    return answer


def _stop(connection: Connection, phone: str) -> str:
    inbound.opt_out(connection, phone)
    # The provider confirms it, and would not deliver an answer of ours.
    return ""


def _start(connection: Connection, phone: str) -> str:
    return "HMS: texts to this phone are on again." if inbound.opt_in(connection, phone) else ""


def _do(connection: Connection, phone: str, words: list[str], now: datetime) -> str | None:
    """Do what the words say; None where they say nothing."""
    known = _known(connection, phone)
    match words:
        case [reference, verb] if verb in _VERBS and reference not in _VERBS:
            words = [verb, reference]
        case [word] if word in _HELP:
            return HELP
    match words:
        case [verb, "all"] if verb in _ACK:
            return _acknowledge(connection, phone, known, now) if known else _NONE
        case [verb] if verb in _VERBS:
            if len(known) != 1:
                return f"HMS: which one? {_listed(known)}." if known else _NONE
            return _answer(connection, phone, verb, known, now)
        case [verb, *references] if verb in _VERBS and len(references) <= 3:
            named = {name: number for name, number in known.items() if name.lower() in references}
            if not named:
                # The one that is meant may be over, or this phone was never told of it.
                mine = f" Open: {_listed(known)}." if known else ""
                return f"HMS: #{references[0].upper()[:10]} is not an open incident of yours.{mine}"
            return _answer(connection, phone, verb, named, now)
    return None


def _answer(connection: Connection, phone: str, verb: str, known: Known, now: datetime) -> str:
    if verb in _ACK:
        return _acknowledge(connection, phone, known, now)
    for number in known.values():
        incidents.resolve(connection, number, _who(connection, phone), "closed by text", now)
    return f"HMS: closed {_listed(known)}."


def _acknowledge(connection: Connection, phone: str, known: Known, now: datetime) -> str:
    limits, who = thresholds.limits(connection), _who(connection, phone)
    for number in known.values():
        incidents.acknowledge(connection, number, who, now, limits)
    return f"HMS: acknowledged {_listed(known)}. CLOSE and the name ends one."


def _listed(known: Known) -> str:
    names = [f"#{reference}" for reference in known]
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return ", ".join(names[:12]) + more


def _who(connection: Connection, phone: str) -> str:
    found = oncall.in_force(connection)
    document = found.document if found else oncall.DEFAULT
    names = [name for name, number in document["recipients"].items() if number == phone]
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
        {"phone": phone, "live": list(incidents.LIVE)},
    )
    return {row.reference: row.id for row in rows}


_NONE = "HMS: none of your incidents is open."
# A reply may be quicker than the provider's answer.
_CARRIER = "join oms.messages as carrier on carrier.id = coalesce(message.merged_into, message.id)"
_HANDED = "message.page and message.recipient = :phone and (carrier.handed_over or carrier.state = 'sending')"
