"""What the API answers about trust: badges, who one is, and who changed what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

from hms_oms.api.codec import Named


@dataclass(frozen=True, slots=True)
class Badge:
    """A badge in the register: whose, for what, until when; never the token itself."""

    jti: str
    actor: str
    roles: tuple[str, ...]
    queues: tuple[str, ...] | None
    expires_at: datetime | None
    issued_by: str | None = None
    issued_at: datetime | None = None
    revoked_at: datetime | None = None
    revoked_by: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the audit trail: who did what to which thing, from where, and what the API answered."""

    id: int
    at: datetime
    actor: str
    roles: tuple[str, ...]
    action: str
    subject: str | None
    detail: Mapping[str, Any] | None
    reason: str | None
    source: str | None
    status: int


@dataclass(frozen=True, slots=True)
class NewBadge:
    """A badge that has just been made. Nobody can ask for its token again."""

    token: Annotated[str, Named("badge")] = field(repr=False)
    jti: str
    actor: str
    roles: tuple[str, ...]
    queues: tuple[str, ...] | None
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Me:
    """What a badge says of its bearer, what time the ledger has `now`, and the office's time zone."""

    actor: str
    roles: tuple[str, ...]
    queues: tuple[str, ...] | None
    jti: str
    expires_at: datetime
    now: datetime
    timezone: str
