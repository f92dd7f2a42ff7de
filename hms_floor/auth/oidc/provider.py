"""The identity provider: what it publishes, the exchange of a code, the check of what it says of somebody.

Everything waits for the network: call it in a thread.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwk import KeySet
from requests import RequestException

from hms_floor.auth.oidc import grants
from hms_oms.runtime.errors import HmsError
from hms_oms.runtime.settings import Settings

#: How long the provider may take to answer, in seconds.
PATIENCE_SECONDS = 5.0
#: How long what it publishes is believed, in seconds.
KEPT_SECONDS = 3600.0
#: An unknown key has its keys read again, but no more often than this, in seconds.
AGAIN_SECONDS = 2.0
#: How far its clock and ours may be apart, in seconds.
LEEWAY_SECONDS = 60
#: What it may sign with; nothing with a secret that others have, and never nothing.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


class SignInRefused(HmsError):
    """Somebody is not let in; the message says why."""


class ProviderAway(HmsError):
    """The provider does not answer, or not as one does."""


@dataclass(frozen=True, slots=True)
class Flow:
    """One attempt to sign in, kept by the browser that makes it."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def new(cls) -> Flow:
        """A new attempt that nobody can guess."""
        return cls(secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48))


class Provider:
    """The provider that these settings name."""

    def __init__(self, settings: Settings) -> None:
        assert settings.oidc_issuer is not None
        assert settings.oidc_client_id is not None
        self._settings, self._issuer = settings, settings.oidc_issuer
        self._client_id = settings.oidc_client_id
        self._published: tuple[float, Mapping[str, Any]] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._lock = threading.Lock()
        self._silent_until = float("-inf")

    def address(self, flow: Flow, back: str) -> str:
        """Where the browser is sent to sign in; it comes `back`. Raises ProviderAway."""
        endpoint = self._endpoint("authorization_endpoint")
        with self._session(back) as session:
            address, _ = session.create_authorization_url(
                endpoint, state=flow.state, nonce=flow.nonce, code_verifier=flow.verifier
            )
        return str(address)

    def claims(self, flow: Flow, code: str, back: str) -> Mapping[str, Any]:
        """What the provider says of the person who brings this code. Raises SignInRefused, ProviderAway."""
        endpoint = self._endpoint("token_endpoint")
        with self._session(back) as session:
            session.token_endpoint_auth_method = self._way_to_authenticate()
            try:
                tokens = session.fetch_token(
                    endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=flow.verifier,
                    timeout=PATIENCE_SECONDS,
                )
            except OAuthError as error:
                raise SignInRefused(f"the provider does not take the code: {error.error}") from None
            except (RequestException, ValueError) as error:
                raise ProviderAway(_away(error)) from None
            if not isinstance(tokens.get("id_token"), str):
                raise SignInRefused("the provider sent no ID token")
            claims = self._checked(tokens["id_token"], flow.nonce)
            return {**self._more(session, claims), **claims}

    def _checked(self, token: str, nonce: str) -> dict[str, Any]:
        """The claims of an ID token. Raises SignInRefused."""
        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client_id},
            sub={"essential": True},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            claims = self._decoded(token)
            registry.validate(claims)
        except ExpiredTokenError:
            raise SignInRefused("the ID token has expired") from None
        except InvalidClaimError as error:
            raise SignInRefused(_WRONG.get(error.claim, f"its {error.claim} is wrong")) from None
        except MissingClaimError as error:
            raise SignInRefused(f"the ID token lacks {error.claim}") from None
        except (JoseError, ValueError) as error:
            raise SignInRefused(f"the ID token is signed wrongly: {type(error).__name__}") from None
        if claims.get("azp", self._client_id) != self._client_id:
            raise SignInRefused(_WRONG["aud"])
        return claims

    def _decoded(self, token: str) -> dict[str, Any]:
        try:
            return jwt.decode(token, self._key_set(KEPT_SECONDS), algorithms=ALGORITHMS).claims
        except (JoseError, ValueError):
            # It may be signed by a key that is newer than those we know.
            return jwt.decode(token, self._key_set(AGAIN_SECONDS), algorithms=ALGORITHMS).claims

    def _more(self, session: OAuth2Session, claims: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the provider says elsewhere of the same person, where the ID token says nothing of roles."""
        endpoint = self._metadata().get("userinfo_endpoint")
        if endpoint is None or grants.values_of(claims, self._settings.oidc_roles_claim) is not None:
            return {}
        try:
            answer = session.get(endpoint, timeout=PATIENCE_SECONDS)
            more: Any = answer.json() if answer.ok else {}
        except (RequestException, ValueError) as error:
            raise ProviderAway(_away(error)) from None
        return more if isinstance(more, dict) and more.get("sub") == claims["sub"] else {}

    def _way_to_authenticate(self) -> str:
        if self._settings.oidc_client_secret is None:
            return "none"
        known = self._metadata().get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return "client_secret_basic" if "client_secret_basic" in known else "client_secret_post"

    def _endpoint(self, name: str) -> str:
        endpoint = self._metadata().get(name)
        if not isinstance(endpoint, str):
            raise ProviderAway(f"the provider names no {name}")
        return endpoint

    def _metadata(self) -> Mapping[str, Any]:
        with self._lock:
            if self._published is None or time.monotonic() - self._published[0] > KEPT_SECONDS:
                document = self._read(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
                if document.get("issuer") != self._issuer:
                    raise ProviderAway("the provider calls itself otherwise than HMS_OIDC_ISSUER")
                self._published = time.monotonic(), document
            return self._published[1]

    def _key_set(self, kept_seconds: float) -> KeySet:
        address = self._endpoint("jwks_uri")
        with self._lock:
            if self._keys is None or time.monotonic() - self._keys[0] > kept_seconds:
                try:
                    self._keys = time.monotonic(), KeySet.import_key_set(self._read(address))
                except (JoseError, KeyError, TypeError, ValueError) as error:
                    raise ProviderAway(f"its keys cannot be read: {type(error).__name__}") from None
            return self._keys[1]

    def _read(self, address: str) -> Any:
        if time.monotonic() < self._silent_until:
            # Those who press the button while it is away should not keep all our threads waiting for it.
            raise ProviderAway("the provider has not answered a moment ago: try again in a few seconds")
        with self._session() as session:
            try:
                answer = session.get(address, withhold_token=True, timeout=PATIENCE_SECONDS)
                answer.raise_for_status()
                document = answer.json()
            except (RequestException, ValueError) as error:
                self._silent_until = time.monotonic() + PATIENCE_SECONDS
                raise ProviderAway(_away(error)) from None
        if not isinstance(document, dict):
            raise ProviderAway("the provider answers with something else")
        return document

    def _session(self, back: str | None = None) -> OAuth2Session:
        return OAuth2Session(
            self._client_id,
            self._settings.oidc_client_secret,
            scope=self._settings.oidc_scopes,
            redirect_uri=back,
            code_challenge_method="S256",
        )


def _away(error: Exception) -> str:
    # Without its words: they may hold a code.
    return f"the provider does not answer: {type(error).__name__}"


_WRONG = {
    "iss": "the ID token comes from another issuer",
    "aud": "the ID token is for another client",
    "nonce": "the ID token was made for another attempt to sign in",
    "iat": "the ID token is of the future",
    "nbf": "the ID token does not hold yet",
}
