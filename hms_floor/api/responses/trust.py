"""The audit trail, badges, and signs of life."""

from __future__ import annotations

from hms_floor.api.responses import Answer, Json, Moment


class Entry(Answer):
    """A line of the audit trail."""

    id: int
    at: Moment
    actor: str
    roles: list[str]
    action: str
    subject: str | None
    detail: Json | None
    reason: str | None
    source: str | None
    status: int


class Trail(Answer):
    """A page of the audit trail, newest first."""

    entries: list[Entry]
    next: str | None


class Badge(Answer):
    """A badge on the register."""

    jti: str
    actor: str
    roles: list[str]
    queues: list[str] | None
    issued_by: str | None
    issued_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    revoked_by: str | None
    reason: str | None


class Badges(Answer):
    """A page of the register, newest first."""

    badges: list[Badge]
    next: str | None


class IssuedBadge(Answer):
    """A new badge; `badge` is the token, told this once."""

    badge: str
    jti: str
    actor: str
    roles: list[str]
    queues: list[str]
    expires_at: Moment


class Me(Answer):
    """What the caller's own badge says."""

    actor: str
    roles: list[str]
    queues: list[str]
    jti: str
    expires_at: Moment
    now: Moment
    timezone: str


class Part(Answer):
    """One part of the installation: its light (ok, warn, bad, unknown), a sentence, and since when."""

    name: str
    light: str
    words: str
    since: Moment | None


class Health(Answer):
    """How the installation stands; `failing` names the parts that people must be called for."""

    status: str
    database: str
    failing: list[str]
    parts: list[Part]


class Ready(Answer):
    """The API may be used."""

    status: str
