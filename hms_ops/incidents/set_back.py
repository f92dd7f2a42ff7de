"""The database's clock was set back: what was noted while it was ahead is as old as can be, which is now.

An incident of a later time would else wait until the clock is there again: to open, to call the next person,
or to end.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from hms_ops.incidents import store
from hms_ops.incidents.signals import Signal
from hms_ops.incidents.store import Incident

#: The times of an incident that lie behind it.
_TIMES = (
    "active_at", "last_true_at", "clear_since", "opened_at", "changed_at", "acknowledged_at", "resolved_at",
    "page_from",
)  # fmt: skip


def follow(connection: Connection, now: datetime) -> None:
    """Have no incident be of a time after `now`."""
    for incident in store.hold_recent(connection, now):
        clamped = not_ahead(incident, now)
        if clamped != incident:
            store.set_times(connection, clamped, (*_TIMES, "ack_expires_at"))


def not_ahead(incident: Incident, now: datetime) -> Incident:
    """The incident with no time after `now`; an acknowledgement holds for as long as it was to."""
    times = _clamped(incident, _TIMES, now)
    acknowledged_at, expires_at = incident.acknowledged_at, incident.ack_expires_at
    if expires_at is not None and acknowledged_at is not None and acknowledged_at > now:
        times["ack_expires_at"] = expires_at - (acknowledged_at - now)
    signals = {
        name: replace(signal, **_clamped(signal, ("active_at", "seen_at", "clear_since"), now))
        for name, signal in incident.signals.items()
    }
    return replace(incident, **times, signals=signals)


def _clamped(noted: Incident | Signal, names: tuple[str, ...], now: datetime) -> dict[str, Any]:
    times = ((name, getattr(noted, name)) for name in names)
    return {name: now for name, at in times if at is not None and at > now}
