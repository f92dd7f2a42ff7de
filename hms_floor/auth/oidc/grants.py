"""What the values of a claim are worth here: roles, and queues for agents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hms_floor.auth.tokens import Role
from hms_oms.runtime.errors import ConfigError
from hms_oms.runtime.settings.parsing import Granted

#: Names of claims in the order in which the name of a person is looked for, before `sub`.
_NAMES = ("email", "preferred_username")


@dataclass(frozen=True, slots=True)
class Grants:
    """The roles and queues that somebody has."""

    roles: frozenset[Role]
    queues: tuple[str, ...]


def require_roles(granted: Iterable[Granted]) -> None:
    """Raise ConfigError if HMS_OIDC_ROLES names a role that there is not."""
    known = ", ".join(Role)
    unknown = [word for grant in granted for word in grant.roles if word not in set(Role)]
    if unknown:
        raise ConfigError([f"HMS_OIDC_ROLES: there is no role {unknown[0]!r}; known are {known}"])


def of(claims: Mapping[str, Any], claim: str, granted: Sequence[Granted]) -> Grants:
    """What these claims give by the mapping; `claim` may lead into objects, as in `realm_access.roles`."""
    values = values_of(claims, claim) or []
    given = [grant for grant in granted if grant.value in values]
    roles = frozenset(Role(word) for grant in given for word in grant.roles)
    return Grants(roles, tuple(dict.fromkeys(queue for grant in given for queue in grant.queues)))


def values_of(claims: Mapping[str, Any], claim: str) -> list[str] | None:
    """The values of a claim, None if it is not there; one that is a word is a list of it."""
    # A claim may have dots in its own name, as those that are URLs.
    value: Any = claims.get(claim)
    if claim not in claims:
        value = claims
        for part in claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [word for word in value if isinstance(word, str)]
    return None


def name_of(claims: Mapping[str, Any]) -> str:
    """The name under which somebody acts: a verified address, else a name, else what identifies them."""
    for name in _NAMES:
        value = claims.get(name)
        verified = name != "email" or claims.get("email_verified") is not False
        if isinstance(value, str) and verified and 0 < len(value) <= 200 and value.isprintable():
            return value
    return str(claims["sub"])
