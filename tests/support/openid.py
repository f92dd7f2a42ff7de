"""A small OpenID provider on loopback: it signs with a key of its own, and checks what a client says."""

from __future__ import annotations

import base64
import hashlib
import hmac
import html
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT, SECRET = "hms-floor", "a-secret-of-the-client"


class OpenId:
    """The provider: who is signed in there, and what it says of them."""

    def __init__(self) -> None:
        self.key, self.issuer = RSAKey.generate_key(2048, {"kid": "first"}), ""
        self.forget()

    def forget(self) -> None:
        """Be as at first: Ann is signed in, and is in no group."""
        #: What is said of the person, and of the token itself, in place of what is right.
        self.person: dict[str, Any] = {"sub": "248289", "email": "ann@example.gov", "email_verified": True}
        self.instead: dict[str, Any] = {}
        self.algorithm = "RS256"
        #: What is said at the address of user information alone.
        self.more: dict[str, Any] | None = None
        self.denies = False
        #: Whether it shows a page of its own, on which somebody goes on.
        self.asks = False
        #: The nonce and the challenge of each code, and how often the code was exchanged.
        self._codes: dict[str, tuple[str, str]] = {}

    def rotate(self) -> None:
        """Sign with another key from now on."""
        self.key = RSAKey.generate_key(2048, {"kid": secrets.token_hex(4)})

    def configuration(self) -> dict[str, Any]:
        """What it publishes."""
        ways = {
            f"{name}_endpoint": f"{self.issuer}/{name}" for name in ("authorization", "token", "userinfo")
        }
        return {"issuer": self.issuer, "jwks_uri": f"{self.issuer}/jwks", **ways}

    def authorize(self, query: dict[str, str]) -> str:
        """Where a browser is sent with a code."""
        assert query["client_id"] == CLIENT
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        assert "openid" in query["scope"].split()
        if self.denies:
            answer = {"error": "access_denied", "state": query["state"]}
            return f"{query['redirect_uri']}?{urlencode(answer)}"
        code = secrets.token_urlsafe(12)
        self._codes[code] = query["nonce"], query["code_challenge"]
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def token(self, form: dict[str, str], credentials: str) -> tuple[int, dict[str, Any]]:
        """Exchange a code, once, for whom it was made."""
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if credentials != f"Basic {expected}":
            return 401, {"error": "invalid_client"}
        nonce, challenge = self._codes.pop(form["code"], ("", ""))
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if _url64(digest) != challenge:
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce}
        claims = {**claims, **self.person, **self.instead}
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": self.algorithm, "kid": self.key.kid}
        if self.algorithm == "HS256":
            token = _by_hmac(header, claims, self.key.as_pem(private=False))
        else:
            token = jwt.encode(header, claims, self.key, [self.algorithm])
        return 200, {"access_token": "access", "token_type": "Bearer", "id_token": token}


def _by_hmac(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """A token whose secret everybody knows; no library makes one."""
    parts = [_url64(json.dumps(part).encode()) for part in (header, claims)]
    mac = hmac.digest(secret, ".".join(parts).encode(), "sha256")
    return ".".join([*parts, _url64(mac)])


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextmanager
def provider(host: str = "localhost") -> Iterator[OpenId]:
    """A provider for as long as the block lasts."""
    stranger = OpenId()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if parts.path == "/authorization" and stranger.asks:
                page = f'<a href="{html.escape(stranger.authorize(query))}">Go on</a>'.encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(page)))
                self.end_headers()
                self.wfile.write(page)
                return
            if parts.path == "/authorization":
                self.send_response(302)
                self.send_header("Location", stranger.authorize(query))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            documents = {
                "/.well-known/openid-configuration": stranger.configuration(),
                "/jwks": {"keys": [stranger.key.as_dict(private=False)]},
                "/userinfo": {"sub": stranger.person["sub"], **(stranger.more or {})},
            }
            self._answer(200 if parts.path in documents else 404, documents.get(parts.path, {}))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            form = {name: values[0] for name, values in parse_qs(body).items()}
            self._answer(*stranger.token(form, self.headers.get("Authorization", "")))

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing."""

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.daemon_threads = True
    stranger.issuer = f"http://{host}:{running.server_address[1]}"
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    yield stranger
    running.shutdown()
    running.server_close()
