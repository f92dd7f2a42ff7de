"""Authenticator: checks a badge once, caches the result, and rejects badges that were revoked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from starlette.concurrency import run_in_threadpool

from hms_floor.api.transport.problems import Problem
from hms_floor.auth.tokens import LEEWAY_SECONDS, Badge, BadgeRefused, Checker

#: Taken-back badges are refused after this long at the latest, in seconds.
REVOCATION_SECONDS = 1.0
#: So many checked badges are remembered.
_REMEMBERED = 2000


class Authenticator:
    """Lets badges in: checked once, remembered, and held against the register of those taken back."""

    def __init__(self, checker: Checker, revoked: Callable[[], frozenset[str]]) -> None:
        self._checker, self._revoked = checker, revoked
        self._known: dict[str, Badge] = {}
        self._taken_back: frozenset[str] = frozenset()
        self._looked = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._seen: dict[str, Badge] = {}

    async def admit(self, header: str | None) -> Badge:
        """The badge in an Authorization header. Raises Problem where there is none that holds."""
        scheme, _, token = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise _unauthorized("a badge is needed: Authorization: Bearer TOKEN")
        badge = self._known.get(token)
        if badge is None or badge.expires_at + LEEWAY_SECONDS <= time.time():
            badge = await self._check(token)
        if not await self.holds(badge):
            raise _unauthorized("the badge is refused: it was taken back", "invalid_token")
        return badge

    async def holds(self, badge: Badge) -> bool:
        """Whether a badge that was let in holds still."""
        self._seen[badge.jti] = badge
        await self._refresh()
        return badge.jti not in self._taken_back and badge.expires_at + LEEWAY_SECONDS > time.time()

    def take_seen(self) -> list[Badge]:
        """The badges that were shown since this was last asked."""
        badges, self._seen = self._seen, {}
        return list(badges.values())

    async def _check(self, token: str) -> Badge:
        self._known.pop(token, None)
        try:
            badge = await run_in_threadpool(self._checker.check, token)
        except BadgeRefused as error:
            raise _unauthorized(f"the badge is refused: {error}", "invalid_token") from None
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[token] = badge
        return badge

    async def _refresh(self) -> None:
        if time.monotonic() - self._looked < REVOCATION_SECONDS:
            return
        if self._looking is None:
            self._looking = asyncio.create_task(self._look())
        # Where the register cannot be read, all who came meanwhile hear so at once, not one after the other.
        await asyncio.shield(self._looking)

    async def _look(self) -> None:
        began = time.monotonic()
        try:
            self._taken_back = await run_in_threadpool(self._revoked)
            self._looked = began
        finally:
            self._looking = None


def _unauthorized(detail: str, error: str | None = None) -> Problem:
    challenge = 'Bearer realm="hms"' + (f', error="{error}"' if error else "")
    return Problem(401, detail, headers={"WWW-Authenticate": challenge})
