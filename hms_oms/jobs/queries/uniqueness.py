"""Keys that are unique within a time, or while their job is in some states, and free again afterwards."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, text

from hms_oms.jobs.queries import read
from hms_oms.jobs.records import Job
from hms_oms.jobs.states import OPEN, Status
from hms_oms.runtime.errors import HmsError

#: Isolation levels under which a key is seen to be taken by a transaction that has just committed.
_READ_COMMITTED = "read committed"


class BadUniqueness(HmsError):
    """A key that cannot be unique in this way; the message says why."""


@dataclass(frozen=True, slots=True)
class Unique:
    """A key is taken by a job that was accepted `within` a time, or that is in one of these states."""

    within: timedelta | None
    states: frozenset[str]


def unique(within: timedelta | None, states: str | Collection[str] | None) -> Unique | None:
    """How a key is unique: for a while, and while its job is in some states; `open` is all but the ended.

    None if neither is given. Raises BadUniqueness.
    """
    if within is None and states is None:
        return None
    if within is not None and within <= timedelta():
        raise BadUniqueness(f"unique_for must be a time, not {within}")
    named = {states} if isinstance(states, str) else set(states or ())
    unknown = named - {"open", *Status}
    if unknown or (states is not None and not named):
        listed = ", ".join(sorted(unknown)) or "nothing"
        raise BadUniqueness(f"unique_while is open, or some of {', '.join(Status)}; not {listed}")
    return Unique(within, frozenset(named - {"open"} | (OPEN if "open" in named else set())))


def holder(connection: Connection, job_type: str, key: str, unique: Unique) -> Job | None:
    """The newest job that has the key now; until the caller's transaction ends nobody else takes it.

    Others who ask for the same key wait here, and see what has become of it. Raises BadUniqueness under an
    isolation level that would not let them.
    """
    level = connection.scalar(text("select current_setting('transaction_isolation')"))
    if level != _READ_COMMITTED:
        raise BadUniqueness(
            f"a key that is unique for a while needs a transaction that is {_READ_COMMITTED}, this one is"
            f" {level}: what another has just committed would not be seen"
        )
    connection.execute(
        text("select pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"{job_type}/{key}"}
    )
    job = connection.scalar(
        text(
            "select id from oms.jobs where type = :type and unique_key = :key"
            " and (status = any(:states) or created_at > oms.now() - cast(:within as interval))"
            " order by id desc limit 1"
        ),
        {"type": job_type, "key": key, "states": list(unique.states), "within": unique.within},
    )
    return None if job is None else read.get(connection, job)
