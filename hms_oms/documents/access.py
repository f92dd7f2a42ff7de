"""Documents of access: audit lines, badges, the caller's own badge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from hms_oms.documents.document import Document, Json, Moment, Named


@dataclass(frozen=True, slots=True)
class Entry(Document):
    """A line of the audit trail: who did what to which thing, from where, and what the API answered."""

    id: int
    at: Moment
    actor: str
    roles: tuple[str, ...]
    action: str
    subject: str | None
    detail: Json | None
    reason: str | None
    source: str | None
    status: int


@dataclass(frozen=True, slots=True)
class Badge(Document):
    """A badge on the register: whose, for what, until when; never the token itself.

    `issued_by` is a person, or the identity provider that its bearer has signed in at; None if it was only
    seen here. `issued_at` is then when it was seen first. `last_seen_at` is exact to a minute.
    """

    jti: str
    actor: str
    roles: tuple[str, ...]
    queues: tuple[str, ...] | None
    issued_by: str | None
    issued_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    revoked_by: str | None
    reason: str | None
    last_seen_at: Moment | None


@dataclass(frozen=True, slots=True)
class IssuedBadge(Document):
    """A new badge; `badge` is the token, told this once."""

    token: Annotated[str, Named("badge")] = field(repr=False)
    jti: str
    actor: str
    roles: tuple[str, ...]
    queues: tuple[str, ...]
    expires_at: Moment


@dataclass(frozen=True, slots=True)
class Me(Document):
    """What the caller's own badge says, what time the ledger has `now`, and the office's time zone."""

    actor: str
    roles: tuple[str, ...]
    queues: tuple[str, ...]
    jti: str
    expires_at: Moment
    now: Moment
    timezone: str
