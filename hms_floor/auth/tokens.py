"""Badges: who somebody is and what they may do, as a signed token (JWT) that ends by itself.

On one machine they are signed with a key of our own (HS256, {home}/badge.key); with an identity provider
they are checked with its public keys (RS256 or ES256). Never both: a badge that names the other kind of
algorithm is refused whatever it is signed with.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import jwt

from hms_floor.private_files import write_private
from hms_oms.runtime.errors import HmsError
from hms_oms.runtime.settings import Settings

KEY_FILE = "badge.key"
BADGE_FILE = "badge"
#: The key of our own, in bytes; a shorter one is refused.
KEY_BYTES = 32
#: How far the clocks of this machine and of the issuer may be apart, in seconds.
LEEWAY_SECONDS = 10.0
#: The longest that a badge may hold, in hours: a year.
MOST_HOURS = 8784.0
#: What stands for every queue in a badge.
ANY_QUEUE = "*"
#: The longest token that is looked at.
LONGEST = 8192
#: How long a provider may take to give its keys, and how long it is left alone after it has not; in seconds.
PROVIDER_SECONDS = 5.0


class Role(StrEnum):
    """What the bearer of a badge may do."""

    VIEWER = "viewer"  # read
    OPERATOR = "operator"  # start, cancel, retry
    MANAGER = "manager"  # SLA, pause, order, silence
    ONCALL = "oncall"  # acknowledge
    AGENT = "agent"  # reserve and report, on the queues that the badge names
    ADMIN = "admin"  # badges


class BadgeRefused(HmsError):
    """The badge does not hold; the message says why without repeating it."""


class NoKey(HmsError):
    """There is no key to sign a badge with."""


@dataclass(frozen=True, slots=True)
class Badge:
    """What a badge says: `jti` is its number, `queues` are those that its agent may work on."""

    actor: str
    roles: frozenset[Role]
    queues: tuple[str, ...]
    jti: str
    expires_at: float

    def names(self, queue: str) -> bool:
        """Whether an agent with this badge may work on `queue`."""
        return ANY_QUEUE in self.queues or queue in self.queues


@dataclass(frozen=True, slots=True)
class Issued:
    """A new badge and the token that proves it; nothing shows the token by accident."""

    badge: Badge
    token: str = field(repr=False)


class Checker(Protocol):
    """Tells what a token says. Raises BadgeRefused."""

    def check(self, token: str) -> Badge:
        """Check signature, times, audience and issuer; not whether it was taken back."""


def checker(settings: Settings) -> Checker:
    """What checks badges under these settings. Raises NoKey where the key of our own is unusable."""
    if settings.badge_jwks is not None:
        return _ByProvider(settings, settings.badge_jwks)
    return _ByOurKey(settings, signing_key(settings))


def make_key(home: Path) -> bytes:
    """The key of our own, made where there is none (mode 0600)."""
    path = home / KEY_FILE
    if not path.exists():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, secrets.token_hex(KEY_BYTES))
    return key(home)


def signing_key(settings: Settings) -> bytes:
    """The key of these settings: HMS_BADGE_KEY, else the one in their home. Raises NoKey."""
    return settings.badge_key.encode() if settings.badge_key is not None else key(settings.home)


def key(home: Path) -> bytes:
    """The key in `home`. Raises NoKey where it is missing, too short, or open to others."""
    path = home / KEY_FILE
    try:
        key = path.read_text(encoding="ascii").strip().encode()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        raise NoKey(f"{path} cannot be read ({error}): `hms up` or `hms floor run` makes it") from None
    if len(key) < KEY_BYTES:
        raise NoKey(f"{path} holds {len(key)} bytes, a key has at least {KEY_BYTES}: remove it")
    if mode & 0o077:
        raise NoKey(f"{path} may be read by others: chmod 600 {path}")
    return key


def issue(
    settings: Settings, *, actor: str, roles: Sequence[Role], queues: Sequence[str] = (), hours: float
) -> Issued:
    """Sign a badge that holds for `hours` from now. Raises NoKey, also where a provider issues badges."""
    if settings.badge_jwks is not None:
        raise NoKey("HMS_BADGE_JWKS is set: badges come from the identity provider")
    now = time.time()
    badge = Badge(actor, frozenset(roles), tuple(queues), secrets.token_hex(16), now + 3600 * hours)
    claims = {
        "iss": settings.badge_issuer,
        "aud": settings.badge_audience,
        "sub": actor,
        "roles": sorted(badge.roles),
        "queues": list(badge.queues),
        "jti": badge.jti,
        "iat": int(now),
        "nbf": int(now),
        "exp": int(badge.expires_at),
    }
    return Issued(badge, jwt.encode(claims, signing_key(settings), algorithm="HS256"))


class _ByOurKey:
    """Checks HS256 badges with the key of our own."""

    def __init__(self, settings: Settings, own: bytes) -> None:
        self._settings, self._key = settings, own

    def check(self, token: str) -> Badge:
        return _read(token, self._key, ("HS256",), self._settings)


#: The algorithms that a provider's key may be used with, by the kind of the key.
_ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}


class _ByProvider:
    """Checks RS256 and ES256 badges with the public keys of an identity provider."""

    def __init__(self, settings: Settings, source: str) -> None:
        self._settings, self._source = settings, source
        remote = urlsplit(source).scheme == "https"
        self._remote = jwt.PyJWKClient(source, timeout=int(PROVIDER_SECONDS)) if remote else None
        self._silent_until = float("-inf")
        self._file: tuple[float, jwt.PyJWKSet] | None = None
        self._lock = threading.Lock()

    def check(self, token: str) -> Badge:
        try:
            signing_key = self._signing_key(token)
        except (jwt.PyJWTError, OSError, ValueError, RecursionError, OverflowError) as error:
            raise BadgeRefused(f"its key cannot be told: {type(error).__name__}") from None
        algorithm = _ALGORITHMS.get(signing_key.key_type or "")
        if algorithm is None or signing_key.algorithm_name != algorithm:
            raise BadgeRefused("its key is of a kind that is not used for badges")
        return _read(token, signing_key, (algorithm,), self._settings)

    def _signing_key(self, token: str) -> jwt.PyJWK:
        kid = jwt.get_unverified_header(token).get("kid")
        if self._remote is not None:
            return self._fetched(self._remote, str(kid))
        keys = self._kept().keys
        [named] = [key for key in keys if key.key_id == kid] if kid is not None else keys
        return named

    def _fetched(self, remote: jwt.PyJWKClient, kid: str) -> jwt.PyJWK:
        with self._lock:
            if time.monotonic() < self._silent_until:
                # Anyone who shows any token at all should not keep all our threads waiting for the provider.
                raise jwt.PyJWKClientError("the provider has not answered a moment ago")
            try:
                return remote.get_signing_key(kid)
            except jwt.PyJWKClientConnectionError:
                self._silent_until = time.monotonic() + PROVIDER_SECONDS
                raise

    def _kept(self) -> jwt.PyJWKSet:
        path = Path(self._source)
        with self._lock:
            changed = path.stat().st_mtime
            if self._file is None or self._file[0] != changed:
                self._file = changed, jwt.PyJWKSet.from_dict(json.loads(path.read_text()))
            return self._file[1]


def _read(token: str, signed_with: Any, algorithms: Sequence[str], settings: Settings) -> Badge:
    if len(token) > LONGEST:
        raise BadgeRefused("it is too long")
    try:
        claims = jwt.decode(
            token,
            signed_with,
            algorithms=algorithms,
            audience=settings.badge_audience,
            issuer=settings.badge_issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "aud", "iss", "sub", "jti"], "enforce_minimum_key_length": True},
        )
        return _badge(claims)
    except (jwt.PyJWTError, UnicodeError, RecursionError, OverflowError) as error:
        raise BadgeRefused(_REASONS.get(type(error), "it cannot be read or is signed wrongly")) from None


def _badge(claims: dict[str, Any]) -> Badge:
    roles, queues = claims.get("roles", []), claims.get("queues", [])
    actor, jti = claims["sub"], claims["jti"]
    for words in (roles, queues):
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise BadgeRefused("its roles and queues are not lists of words")
    if not (0 < len(actor) <= 200 and actor.isprintable() and 0 < len(jti) <= 200 and jti.isprintable()):
        raise BadgeRefused("its bearer or number is empty, too long, or unprintable")
    known = frozenset(role for role in Role if role in roles)
    return Badge(actor, known, tuple(queues), jti, _end(claims["exp"]))


def _end(expiry: Any) -> float:
    """When a badge ends, in seconds since the epoch. Raises BadgeRefused for what is no such moment."""
    if isinstance(expiry, bool) or not isinstance(expiry, int | float):
        raise BadgeRefused("its end is not a number")
    # Compared before it becomes a float: a number may be too large for one; and NaN is not less.
    if not expiry <= time.time() + 3600 * MOST_HOURS + LEEWAY_SECONDS:
        raise BadgeRefused(f"it holds for longer than {MOST_HOURS / 24:.0f} days, the most that a badge may")
    return float(expiry)


_REASONS: dict[type[BaseException], str] = {
    jwt.ExpiredSignatureError: "it has expired",
    jwt.ImmatureSignatureError: "it does not hold yet",
    jwt.InvalidAudienceError: "it is for another audience",
    jwt.InvalidIssuerError: "it comes from another issuer",
    jwt.MissingRequiredClaimError: "it lacks what a badge must say",
}
