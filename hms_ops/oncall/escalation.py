"""The escalation policy: who is to be texted about which incident now, and who of its end; fills the outbox.

A call climbs the steps of the on-call document: each is due so long after the call began, and at once where
nobody on the step before can be reached: their texts failed for good, they want none, or nobody has the
shift. Each person gets one text for each step of each call: its token says so, however often this runs. Who
comes on shift while a call is open, or is given another phone, is texted, too.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Any

from sqlalchemy import Connection, text

from hms_oms.daemon.isolation import Apart
from hms_oms.messages import outbox
from hms_oms.messages.recipients import channel_of
from hms_ops.incidents import store, wording
from hms_ops.incidents.store import Incident
from hms_ops.oncall import oncall
from hms_ops.oncall.oncall import Recipient, Step

log = logging.getLogger(__name__)

#: States of a text that its reader will never see ...
UNREACHED = ("failed", "undelivered", "expired")
#: ... of one that is on its way, or was when its sender died; one that never went is cancelled by now ...
UNSETTLED = ("pending", "sending")
#: ... and of one that its reader has seen or may have.
MAYBE_READ = ("unknown", "accepted", "sent", "delivered", "unconfirmed")


def page(
    connection: Connection,
    now: datetime,
    sender_is_local: bool,
    office: tzinfo,
    apart: Apart | None = None,
) -> None:
    """Put the texts due at `now` into the outbox, in the caller's transaction; times are those of `office`.

    Where nobody has set an on-call document, the local log gets them under a fictional number; a real sender
    calls nobody, and the history and the log say so. An incident that raises holds up no other; `apart`
    remembers which.
    """
    apart = apart or Apart()
    called, over = store.hold_called(connection), store.hold_untold(connection)
    if not called and not over:
        return
    in_force = oncall.in_force(connection)
    document = in_force.document if in_force else oncall.DEFAULT
    steps = oncall.on_call(document, now) if in_force or sender_is_local else []
    look = _Look(connection, now, office, steps, [row.id for row in (*called, *over)])
    for incident in called:
        with apart.doing(f"calling about {incident.name}"), connection.begin_nested():
            look.escalate(incident)
    for incident in over:
        with apart.doing(f"telling the end of {incident.name}"), connection.begin_nested():
            look.tell_end(incident)


class _Look:
    """The incidents of one look, with what became of their texts."""

    def __init__(
        self,
        connection: Connection,
        now: datetime,
        zone: tzinfo,
        steps: Sequence[Step],
        incidents: Sequence[int],
    ) -> None:
        self.connection = connection
        self.now = now
        self.zone = zone
        self.steps = steps
        rows = connection.execute(text(_TEXTS), {"incidents": incidents}).all()
        self.fates: dict[str, str] = {row.token: row.fate for row in rows}
        self.phones: dict[str, str] = {row.token: row.recipient for row in rows}
        rows = connection.execute(text(_NOTED), {"incidents": incidents, "kinds": list(_ONCE)}).all()
        self.noted: set[_Noted] = {(row.incident_id, row.kind, row.who, row.call) for row in rows}
        self.unwilling = set(connection.scalars(text("select phone from oms.opt_outs")))

    def escalate(self, incident: Incident) -> None:
        """Text everybody who is due about an open incident."""
        reached = True
        for number, step in enumerate(self.steps):
            due = incident.page_from is not None and self.now >= incident.page_from + step.after
            if reached and not due:
                return
            reached = self._take(incident, number, step)
            # An incident that flaps says so once, to the first step that can be reached.
            if reached and incident.flapping:
                return
        if not self.steps:
            self._note_once(incident, "nobody to call")
        elif not reached:
            self._note_once(incident, "nobody reached")

    def tell_end(self, incident: Incident) -> None:
        """Text those who were called about a resolved incident, or may have been, that it is over.

        A text of which nobody knows yet whether it went is waited for.
        """
        called = [token for token in self.fates if _is_call(token, incident)]
        if any(self.fates[token] in UNSETTLED for token in called):
            return
        read = [token for token in called if self.fates[token] in MAYBE_READ]
        people = {self.phones[token]: _recipient_of(token) for token in read}
        for phone, name in people.items():
            if phone not in self.unwilling:
                token = f"resolved:{incident.id}:{incident.page_seq}:{name}"
                body = wording.ended(incident, self.zone)
                self._put(incident, token, "resolved", Recipient(name, phone), body)
                self._note(incident, "told", name)
        store.told(self.connection, incident)

    def _take(self, incident: Incident, number: int, step: Step) -> bool:
        """Text everybody on a step who was not yet; whether one of them can be reached."""
        reached = False
        kind = "flapping" if incident.flapping else "page"
        for recipient in step.recipients:
            if recipient.phone in self.unwilling:
                self._note_once(incident, "opted out", recipient.name)
                continue
            token = self._token(incident, number, recipient)
            if token not in self.fates:
                say = wording.flapping if incident.flapping else wording.page
                body = say(incident, self.zone, by_text=channel_of(recipient.phone) is None)
                self._put(incident, token, kind, recipient, body)
                self._note(incident, "paged", recipient.name, step=number + 1)
                self.fates[token] = "pending"
            reached = reached or self.fates[token] not in UNREACHED
        return reached

    def _token(self, incident: Incident, number: int, recipient: Recipient) -> str:
        """Token of the text for this call, step and person, at the person's present number."""
        for change in itertools.count():
            step = f"{number}.{change}" if change else str(number)
            token = f"page:{incident.id}:{incident.page_seq}:{step}:{recipient.name}"
            if self.phones.setdefault(token, recipient.phone) == recipient.phone:
                return token
        raise AssertionError("there is always a next one")

    def _put(self, incident: Incident, token: str, kind: str, recipient: Recipient, body: str) -> None:
        outbox.put_page(
            self.connection,
            token=token,
            incident=incident.id,
            kind=kind,
            reference=incident.reference,
            recipient=recipient.phone,
            body=body,
        )

    def _note_once(self, incident: Incident, kind: str, who: str | None = None) -> None:
        if (incident.id, kind, who, incident.page_seq) not in self.noted:
            self._note(incident, kind, who)
            log.error("%s of %s: %s", incident.name, incident.rule, f"{who}: {kind}" if who else kind)

    def _note(self, incident: Incident, kind: str, who: str | None, **detail: Any) -> None:
        detail = {"call": incident.page_seq, **detail}
        store.note(self.connection, incident.id, self.now, kind, who, detail)


def _is_call(token: str, incident: Incident) -> bool:
    """Whether a text has called somebody about an incident whose end was not told yet."""
    if not token.startswith("page:"):
        return False
    return int(token.split(":", 3)[2]) > incident.told_seq and token.startswith(f"page:{incident.id}:")


def _recipient_of(token: str) -> str:
    return token.split(":", 4)[4]


_Noted = tuple[int, str, str | None, int]
#: What the history says once in each call.
_ONCE = ("opted out", "nobody to call", "nobody reached")
_TEXTS = """
select message.token, message.recipient, coalesce(carrier.state, message.state) as fate
from oms.messages as message
left join oms.messages as carrier on carrier.id = message.merged_into
where message.incident_id = any(:incidents)
order by message.id
"""
_NOTED = """
select incident_id, kind, who, cast(detail ->> 'call' as int) as call
from ops.incident_events
where incident_id = any(:incidents) and kind = any(:kinds)
"""
