"""The SLA table: append-only; the newest row of a queue is its SLA.

The newest is the one that was written last: the clock may have been set back since an earlier one.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from hms_oms.documents.queues import Sla
from hms_oms.jobs.commands import require_queue
from hms_oms.runtime.errors import UnknownQueue


def set_sla(connection: Connection, queue: str, minutes: float, *, set_by: str, reason: str | None) -> Sla:
    """Hold `queue` to `minutes` from now on. Jobs accepted already keep their deadline.

    Raises UnknownQueue for a name that no recipe uses.
    """
    require_queue(connection, queue)
    row = connection.execute(
        text(
            "insert into oms.slas (queue, minutes, set_by, reason)"
            " values (:queue, :minutes, :set_by, :reason)"
            " returning queue, minutes, effective_at, set_by, reason"
        ),
        {"queue": queue, "minutes": minutes, "set_by": set_by, "reason": reason},
    ).one()
    return Sla(**row._mapping)


def in_force(connection: Connection) -> list[Sla]:
    """The SLA of every queue, as it stands now."""
    rows = connection.execute(
        text(
            "select distinct on (queue) queue, minutes, effective_at, set_by, reason from oms.slas"
            " order by queue, id desc"
        )
    )
    return [Sla(**row) for row in rows.mappings()]


def minutes_in_force(connection: Connection, queue: str) -> float:
    """The SLA of one queue in minutes. Raises UnknownQueue for a name that no recipe uses."""
    for sla in in_force(connection):
        if sla.queue == queue:
            return sla.minutes
    require_queue(connection, queue)
    raise UnknownQueue(queue, [])


def history(connection: Connection, queue: str) -> Sequence[Sla]:
    """Every entry of a queue, newest first. Raises UnknownQueue for a name that no recipe uses."""
    require_queue(connection, queue)
    rows = connection.execute(
        text(
            "select queue, minutes, effective_at, set_by, reason from oms.slas"
            " where queue = :queue order by id desc"
        ),
        {"queue": queue},
    )
    return [Sla(**row) for row in rows.mappings()]
