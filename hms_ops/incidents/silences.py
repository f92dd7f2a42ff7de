"""Silences: for a while new incidents call nobody. One that begins later is a maintenance window.

A silence changes nothing about what is measured and recorded. A call that began before it goes on; one
that would begin within it waits, and is made at its end if the incident is still open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime

from sqlalchemy import Connection, bindparam, column, insert, select, table, text

from hms_oms.jobs.commands import require_queue
from hms_oms.runtime.errors import HmsError
from hms_ops.documents.calling import Silence
from hms_ops.incidents import thresholds


class BadSilence(HmsError):
    """A silence that cannot be: it ends before it begins, or lies in the past."""


class UnknownSilence(HmsError):
    """No silence has this number."""

    def __init__(self, silence: int) -> None:
        self.silence = silence
        super().__init__(f"there is no silence {silence}")


def silence(
    connection: Connection,
    rule: str | None,
    queue: str | None,
    starts_at: datetime,
    ends_at: datetime,
    reason: str,
    set_by: str,
) -> Silence:
    """Call nobody about new incidents for a while. Raises UnknownRule, UnknownQueue, BadSilence."""
    if rule is not None:
        thresholds.require_rule(rule)
    if queue is not None:
        require_queue(connection, queue)
    now = connection.execute(text("select oms.now()")).scalar_one()
    if ends_at <= starts_at:
        raise BadSilence(f"a silence ends after it begins: {ends_at.isoformat()} is not after its start")
    if ends_at <= now:
        raise BadSilence(f"this silence would be over already: it ends at {ends_at.isoformat()}")
    query = insert(_ROWS).values(
        rule=rule, queue=queue, starts_at=starts_at, ends_at=ends_at, reason=reason, set_by=set_by
    )
    return Silence(**connection.execute(query.returning(*_ROWS.c)).mappings().one())


def end(connection: Connection, silence_id: int, ended_by: str) -> Silence:
    """End a silence now, or call off one to come; one that is over stays as it is. Raises UnknownSilence."""
    connection.execute(
        text(
            "update ops.silences set ended_at = oms.now(), ended_by = :who"
            " where id = :id and ended_at is null and ends_at > oms.now()"
        ),
        {"id": silence_id, "who": ended_by},
    )
    query = select(*_ROWS.c).where(_ROWS.c.id == silence_id)
    ended = connection.execute(query).mappings().one_or_none()
    if ended is None:
        raise UnknownSilence(silence_id)
    return Silence(**ended)


def active(connection: Connection, now: datetime) -> list[Silence]:
    """The silences that hold at `now`, oldest first."""
    return [silence for silence in find(connection, now) if silence.starts_at <= now]


def find(connection: Connection, now: datetime) -> list[Silence]:
    """The silences that hold at `now` or are still to come, oldest first."""
    return [Silence(**row) for row in connection.execute(_AHEAD, {"now": now}).mappings()]


def covering(silences: Sequence[Silence], rule: str, queue: str | None) -> Silence | None:
    """The first of some silences that covers incidents of `rule` in `queue`."""
    return next((silence for silence in silences if silence.covers(rule, queue)), None)


_ROWS = table("silences", *(column(field.name) for field in fields(Silence)), schema="ops")
_AHEAD = (
    select(*_ROWS.c)
    .where(_ROWS.c.ends_at > bindparam("now"), _ROWS.c.ended_at.is_(None))
    .order_by(_ROWS.c.starts_at, _ROWS.c.id)
)
