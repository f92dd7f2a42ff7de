"""The register of badges: which were issued here, and which were taken back; the writer of oms.badges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from hms_oms.documents.access import Badge


@dataclass(frozen=True, slots=True)
class Registered(Badge):
    """A badge on the register; one that was not issued here is there once it was seen, or taken back."""

    id: int


def register(
    connection: Connection,
    *,
    jti: str,
    actor: str,
    roles: Sequence[str],
    queues: Sequence[str],
    issued_by: str,
    expires_at: datetime,
) -> Registered:
    """Enter a new badge."""
    row = connection.execute(
        text(
            "insert into oms.badges (jti, actor, roles, queues, issued_by, expires_at)"
            " values (:jti, :actor, :roles, :queues, :issued_by, :expires_at) returning *"
        ),
        {
            "jti": jti,
            "actor": actor,
            "roles": list(roles),
            "queues": list(queues),
            "issued_by": issued_by,
            "expires_at": expires_at,
        },
    ).one()
    return Registered(**row._mapping)


def revoke(connection: Connection, jti: str, *, who: str, reason: str | None) -> Registered:
    """Take a badge back; one that is not on the register is entered, so that it is refused from now on.

    Taking it back twice changes nothing.
    """
    row = connection.execute(
        text(
            "insert into oms.badges (jti, actor, roles, revoked_at, revoked_by, reason)"
            " values (:jti, 'unknown', '{}', oms.now(), :who, :reason)"
            " on conflict (jti) do update set"
            " revoked_at = coalesce(oms.badges.revoked_at, excluded.revoked_at),"
            " revoked_by = coalesce(oms.badges.revoked_by, excluded.revoked_by),"
            " reason = case when oms.badges.revoked_at is null then excluded.reason"
            " else oms.badges.reason end returning *"
        ),
        {"jti": jti, "who": who, "reason": reason},
    ).one()
    return Registered(**row._mapping)


def issued_by(connection: Connection, jti: str) -> str | None:
    """Who issued a badge, None if it is not on the register."""
    by: str | None = connection.scalar(
        text("select issued_by from oms.badges where jti = :jti"), {"jti": jti}
    )
    return by


def revoked(connection: Connection) -> frozenset[str]:
    """The numbers of the badges that were taken back and would hold otherwise."""
    rows = connection.scalars(
        text(
            "select jti from oms.badges where revoked_at is not null"
            " and (expires_at is null or expires_at > oms.now() - interval '1 day')"
        )
    )
    return frozenset(rows)


@dataclass(frozen=True, slots=True)
class Seen:
    """A badge that was shown just now; `expires_at` is in seconds since the epoch."""

    jti: str
    actor: str
    roles: Sequence[str]
    queues: Sequence[str]
    expires_at: float


def note_seen(connection: Connection, badges: Sequence[Seen]) -> None:
    """Note that these badges were shown just now."""
    parameters = {
        "jtis": [badge.jti for badge in badges],
        "actors": [badge.actor for badge in badges],
        "roles": [" ".join(badge.roles) for badge in badges],
        "queues": [" ".join(badge.queues) for badge in badges],
        "expiries": [badge.expires_at for badge in badges],
    }
    connection.execute(text(_SEEN), parameters)


def find(
    connection: Connection, *, limit: int, after: int | None = None, valid: bool = False
) -> list[Registered]:
    """The badges on the register, the newest first; `after` goes on behind that id.

    With `valid` those alone that hold now.
    """
    rows = connection.execute(
        text(
            "select * from oms.badges where (cast(:after as bigint) is null or id < :after)"
            " and (not :valid or (revoked_at is null and expires_at > oms.now()))"
            " order by id desc limit :limit"
        ),
        {"limit": limit, "after": after, "valid": valid},
    )
    return [Registered(**row) for row in rows.mappings()]


# In one order everywhere: any number of processes of the API write it.
_SEEN = """
insert into oms.badges (jti, actor, roles, queues, expires_at, last_seen_at)
select
    jti, actor, string_to_array(roles, ' '), string_to_array(queues, ' '), to_timestamp(expires_at), oms.now()
from unnest(
    cast(:jtis as text[]), cast(:actors as text[]), cast(:roles as text[]), cast(:queues as text[]),
    cast(:expiries as float8[])
) as badge (jti, actor, roles, queues, expires_at)
order by jti
on conflict (jti) do update set last_seen_at = excluded.last_seen_at
"""
