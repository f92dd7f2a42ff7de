"""Who may do what: every route of the table, for every role, with every kind of badge that does not hold."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import jwt
import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from fastapi.routing import APIRoute

from hms_floor.api.access.authenticator import Authenticator
from hms_floor.api.access.roles import OPEN, TABLE, markdown
from hms_floor.api.app import ROUTERS
from hms_floor.auth import sign_in_link, tokens
from hms_floor.auth.tokens import Role
from hms_oms.database.schema import schema_revision
from hms_oms.runtime.settings import Settings
from tests.api.conftest import ApiServer
from tests.conftest import wait_until
from tests.support.programs import run_hms

PLACES = {
    "{id}": "job-999",
    "{schedule}": "nightly",
    "{queue}": "nowhere",
    "{jti}": "nobody",
    "{rule}": "none",
    "{parameter}": "none",
    "{name}": "nowhere",
}
GUARDED = [action for action, roles in TABLE.items() if roles != OPEN]


def place(action: str) -> tuple[str, str]:
    """Method and address of a route, for things that do not exist."""
    method, _, path = action.partition(" ")
    if path.startswith("/reservations"):
        path = path.replace("{id}", "job-999.1.judge")
    if path.startswith(("/changes", "/cycles", "/incidents", "/silences", "/webhooks")):
        path = path.replace("{id}", "999")
    for name, value in PLACES.items():
        path = path.replace(name, value)
    return method, path


def test_every_route_is_in_the_table_and_nothing_else_is() -> None:
    """The table is the truth: it names each route once, and no route that is not there."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    result = sorted(f"{method} {route.path_format}" for route in routes for method in route.methods or ())
    assert result == sorted(TABLE)


def test_the_documents_have_the_table_as_it_is() -> None:
    """docs/api.md holds the table of the code."""
    output = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")
    assert markdown() in output


@pytest.mark.parametrize("role", list(Role))
def test_a_role_opens_what_the_table_says(api_server: ApiServer, role: Role) -> None:
    """Each route, with a badge of one role alone: 403 where the table does not name it, only there."""
    badge = api_server.badge(role)
    for action in GUARDED:
        method, path = place(action)
        if path.startswith("/stream") and role in TABLE[action] and path == "/stream":
            with api_server.client.stream(
                "GET", path, headers={"Authorization": f"Bearer {badge}"}
            ) as answer:
                assert answer.status_code == 200
            continue
        answer = api_server.ask(method, path, None if method == "GET" else {}, badge=badge)
        allowed = role in TABLE[action]
        assert (answer.status_code != 403) == allowed, f"{action} for {role}: {answer.text}"
        assert answer.status_code != 401
        assert answer.status_code < 500


@pytest.fixture(scope="module")
def broken(standing_api: ApiServer) -> dict[str, str | None]:
    """Badges that do not hold, each for one reason alone."""
    key = tokens.key(standing_api.settings.home)
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": "hms",
        "aud": "hms",
        "sub": "eve",
        "roles": [role.value for role in Role],
        "queues": ["*"],
        "jti": "eve-1",
        "iat": now,
        "nbf": now,
        "exp": now + 3600,
    }

    def signed(**changes: Any) -> str:
        return jwt.encode({**claims, **changes}, key, algorithm="HS256")

    good = signed()
    head, body, signature = good.split(".")
    forged = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "admin"}).encode()).rstrip(b"=").decode()
    without = {name: value for name, value in claims.items() if name != "exp"}
    return {
        "no badge": None,
        "no token at all": "nonsense",
        "expired": signed(exp=now - 60),
        "not yet valid": signed(nbf=now + 60),
        "wrong audience": signed(aud="other"),
        "wrong issuer": signed(iss="other"),
        "without an end": jwt.encode(without, key, algorithm="HS256"),
        "without a number": jwt.encode({**claims, "jti": ""}, key, algorithm="HS256"),
        "algorithm none": jwt.encode(claims, None, algorithm="none"),  # type: ignore[arg-type]
        "HS512": jwt.encode(claims, key, algorithm="HS512"),
        "signed with another key": jwt.encode(claims, b"x" * 64, algorithm="HS256"),
        "tampered": f"{head}.{forged}.{signature}",
        "signature cut off": f"{head}.{body}.",
        "too long": good + "x" * 9000,
    }


def test_no_route_opens_for_a_badge_that_does_not_hold(
    api_server: ApiServer, broken: dict[str, str | None], engine: sa.Engine
) -> None:
    """Every guarded route times every broken badge: 401, with a challenge, and nothing in the audit trail."""
    for action in GUARDED:
        method, path = place(action)
        for what, badge in broken.items():
            headers = {} if badge is None else {"Authorization": f"Bearer {badge}"}
            body = None if method == "GET" else {}
            answer = api_server.client.request(method, path, headers=headers, json=body)
            assert answer.status_code == 401, f"{action}, {what}: {answer.status_code}"
            assert answer.headers["www-authenticate"].startswith("Bearer")
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from oms.audit")) == 0


def test_a_badge_that_was_taken_back_opens_nothing(api_server: ApiServer) -> None:
    """Within two seconds each route refuses it, also the one that took it back."""
    issued = api_server.ask(
        "POST", "/badges", {"actor": "eve", "roles": [role.value for role in Role]}
    ).json()
    assert api_server.ask("GET", "/me", badge=issued["badge"]).status_code == 200
    api_server.ask("POST", f"/badges/{issued['jti']}/revoke", {"reason": "lost"})
    wait_until(
        lambda: api_server.ask("GET", "/me", badge=issued["badge"]).status_code == 401,
        "the badge to be refused",
        3.0,
    )
    for action in GUARDED:
        method, path = place(action)
        answer = api_server.ask(method, path, None if method == "GET" else {}, badge=issued["badge"])
        assert answer.status_code == 401, action
    [entry] = [badge for badge in api_server.get("/badges")["badges"] if badge["jti"] == issued["jti"]]
    assert (entry["actor"], entry["revokedBy"], entry["reason"]) == ("eve", "ann", "lost")


def test_two_authorization_headers_are_none(api_server: ApiServer) -> None:
    """Nobody should wonder which of them counted."""
    token = api_server.badge()
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", f"Bearer {token}")]
    assert api_server.client.get("/me", headers=headers).status_code == 401


def test_what_is_open_tells_nothing_of_the_work(api_server: ApiServer) -> None:
    """Signs of life need no badge; what the provider calls back needs a signature."""
    assert api_server.client.get("/healthz").json()["database"] == "ok"
    assert api_server.client.get("/readyz").json() == {"status": "ok"}
    for path in ("/twilio/status", "/twilio/reply"):
        assert api_server.client.post(path, data={"MessageSid": "SM1"}).status_code in (403, 404)


def test_it_stays_ready_while_a_newer_release_is_rolled_out(api_server: ApiServer, engine: sa.Engine) -> None:
    """What runs goes on when the database is migrated past it; on one that is too old nothing may come."""
    for revision, status in (("9999", 200), ("0001", 503), (schema_revision.needed(), 200)):
        with engine.begin() as connection:
            connection.execute(sa.text("update hms_revision set version_num = :at"), {"at": revision})
        assert api_server.client.get("/readyz").status_code == status


def test_an_agent_works_on_the_queues_of_its_badge_alone(api_server: ApiServer) -> None:
    """Another queue is refused, whether it exists or not."""
    assert (
        api_server.ask("POST", "/queues/returns-desk/reserve", {}, Role.AGENT, queues=["other"]).status_code
        == 403
    )
    assert (
        api_server.ask("POST", "/queues/returns-desk/reserve", {}, Role.AGENT, queues=[]).status_code == 403
    )
    own = api_server.ask("POST", "/queues/returns-desk/reserve", {}, Role.AGENT, queues=["returns-desk"])
    assert own.status_code == 204


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An identity provider: two private keys, and the public ones in a file."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curve = ec.generate_private_key(ec.SECP256R1())
    rsa_key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(private.public_key()))
    ec_key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(curve.public_key()))
    keys = [rsa_key | {"kid": "r", "alg": "RS256"}, ec_key | {"kid": "e", "alg": "ES256"}]
    path = tmp_path_factory.mktemp("provider") / "jwks.json"
    path.write_text(json.dumps({"keys": keys}))
    public = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return {"rsa": private, "ec": curve, "path": path, "public": public, "jwk": json.dumps(keys[0]).encode()}


@pytest.fixture(scope="module")
def strangers_api(open_api: Callable[..., ApiServer], provider: dict[str, Any]) -> ApiServer:
    """An API that takes the badges of the identity provider alone."""
    return open_api(HMS_BADGE_JWKS=str(provider["path"]), HMS_BADGE_ISSUER="https://id.example.gov")


def test_badges_of_an_identity_provider(
    strangers_api: ApiServer, provider: dict[str, Any], database: str
) -> None:
    """RS256 and ES256 open the API, by the key that the badge names; nothing else does."""
    now = int(time.time())
    claims = {"iss": "https://id.example.gov", "aud": "hms", "sub": "bob", "roles": ["viewer", "wizard"]}
    claims |= {"jti": "bob-1", "exp": now + 600}  # type: ignore[dict-item]

    def status(token: str) -> int:
        return strangers_api.ask("GET", "/me", badge=token).status_code

    for key, algorithm, kid in (("rsa", "RS256", "r"), ("ec", "ES256", "e")):
        token = jwt.encode(claims, provider[key], algorithm=algorithm, headers={"kid": kid})
        assert strangers_api.ask("GET", "/me", badge=token).json()["roles"] == ["viewer"]
        assert strangers_api.ask("GET", "/audit", badge=token).status_code == 403
        assert status(jwt.encode(claims, provider[key], algorithm=algorithm, headers={"kid": "x"})) == 401
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert status(jwt.encode(claims, other, algorithm="RS256", headers={"kid": "r"})) == 401
    assert status(jwt.encode(claims, provider["rsa"], algorithm="RS256", headers={"kid": "e"})) == 401
    assert status(jwt.encode(claims, provider["rsa"], algorithm="RS512", headers={"kid": "r"})) == 401
    assert status(jwt.encode(claims, None, algorithm="none", headers={"kid": "r"})) == 401  # type: ignore[arg-type]
    for secret in (provider["public"], provider["jwk"]):
        assert status(_hs256(claims, secret)) == 401
    answer = strangers_api.ask(
        "GET", "/me", badge=jwt.encode(claims, provider["rsa"], algorithm="RS256", headers={"kid": "r"})
    )
    assert answer.json()["actor"] == "bob"


def test_no_route_opens_for_a_badge_signed_with_what_everybody_knows(
    strangers_api: ApiServer, provider: dict[str, Any], engine: sa.Engine
) -> None:
    """Every guarded route, for no algorithm at all and for an HMAC with the provider's public key: 401."""
    claims: dict[str, Any] = {"iss": "https://id.example.gov", "aud": "hms", "sub": "eve", "jti": "eve-2"}
    claims |= {"roles": [role.value for role in Role], "queues": ["*"], "exp": int(time.time()) + 600}
    good = jwt.encode(claims, provider["rsa"], algorithm="RS256", headers={"kid": "r"})
    assert strangers_api.ask("GET", "/me", badge=good).status_code == 200
    forged = [
        jwt.encode(claims, None, algorithm="none", headers={"kid": "r"}),  # type: ignore[arg-type]
        *(_hs256(claims, secret) for secret in (provider["public"], provider["jwk"])),
    ]
    for action in GUARDED:
        method, path = place(action)
        for badge in forged:
            answer = strangers_api.ask(method, path, None if method == "GET" else {}, badge=badge)
            assert answer.status_code == 401, action
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from oms.audit")) == 0


def test_a_provider_without_an_answer_is_left_alone_for_a_while(tmp_path: Path) -> None:
    """Anyone who shows made-up badges cannot have the API ask it, and wait for it, each time."""
    asked: list[bool] = []
    with socket.create_server(("127.0.0.1", 0)) as provider:
        address = f"https://127.0.0.1:{provider.getsockname()[1]}/keys"

        def hang_up() -> None:
            with suppress(OSError):
                while True:
                    provider.accept()[0].close()
                    asked.append(True)

        threading.Thread(target=hang_up, daemon=True).start()
        checker = tokens.checker(Settings(home=tmp_path, badge_jwks=address))
        made_up = jwt.encode({"sub": "eve"}, b"x" * 32, algorithm="HS256", headers={"kid": "x"})
        for _ in range(5):
            with pytest.raises(tokens.BadgeRefused):
                checker.check(made_up)
        assert len(asked) == 1
        provider.shutdown(socket.SHUT_RDWR)


def test_where_a_provider_issues_badges_there_are_no_links(strangers_api: ApiServer) -> None:
    """Neither is one made, nor does one that was made before let anybody in; both say why."""
    home = strangers_api.settings.home
    code = sign_in_link.make_code(home, time.time())
    answer = strangers_api.client.get("/enter", params={"code": code})
    assert (answer.status_code, "identity provider" in answer.text) == (403, True)
    environment = os.environ | {"HMS_HOME": str(home), "HMS_BADGE_JWKS": str(home / "floor.log")}
    done = run_hms(["floor", "link"], environment)
    assert (done.returncode, "HMS_BADGE_JWKS" in done.stderr) == (1, True)


def test_who_comes_by_a_link_is_on_the_register_and_in_the_trail(api_server: ApiServer) -> None:
    """Such a badge may do everything: it is known, and can be taken back."""
    answer = api_server.client.get(
        "/enter", params={"code": sign_in_link.make_code(api_server.settings.home, time.time())}
    )
    api_server.client.cookies.clear()
    assert answer.status_code == 303
    [entry], [registered] = api_server.get("/audit")["entries"], api_server.get("/badges")["badges"]
    assert (entry["action"], entry["subject"], entry["source"]) == (
        "GET /enter",
        registered["jti"],
        "127.0.0.1",
    )
    token = answer.headers["set-cookie"].partition("=")[2].partition(";")[0]
    assert api_server.ask("GET", "/me", badge=token).json()["jti"] == registered["jti"]


def test_where_the_register_cannot_be_read_all_hear_so_together() -> None:
    """It is asked once for all who came meanwhile, not once for each, one after the other."""
    asked, go_on = [], threading.Event()

    def revoked() -> frozenset[str]:
        asked.append(True)
        go_on.wait(10)
        raise OSError("the ledger is away")

    class Believer:
        def check(self, token: str) -> tokens.Badge:
            return tokens.Badge("ann", frozenset(Role), (), token, time.time() + 60)

    async def come() -> list[Any]:
        gate = Authenticator(Believer(), revoked)
        callers = [asyncio.create_task(gate.admit(f"Bearer {number}")) for number in range(5)]
        while len(gate._known) < 5 or not asked:
            await asyncio.sleep(0.01)
        go_on.set()
        return await asyncio.gather(*callers, return_exceptions=True)

    # In a thread without an event loop: the browser of other tests has its own in this one.
    with ThreadPoolExecutor(1) as pool:
        answers = pool.submit(asyncio.run, come()).result(30)
    assert [type(answer) for answer in answers] == 5 * [OSError]
    assert len(asked) == 1


def _hs256(claims: dict[str, Any], secret: bytes) -> str:
    """An HMAC with what everybody knows: the library refuses to make one, so it is made by hand."""

    def part(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    head = part(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "r"}).encode())
    body = head + b"." + part(json.dumps(claims).encode())
    return (body + b"." + part(hmac.new(secret, body, hashlib.sha256).digest())).decode()


def test_the_key_of_our_own_is_private_and_long(standing_api: ApiServer) -> None:
    """32 bytes and more, mode 0600, and neither a shorter nor an open one is used."""
    path = standing_api.settings.home / tokens.KEY_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert (path.parent / tokens.BADGE_FILE).stat().st_mode & 0o777 == 0o600
    assert len(tokens.key(path.parent)) >= tokens.KEY_BYTES


def test_a_bad_key_is_refused(tmp_path: Path) -> None:
    """Short, or readable by others: the API would rather not open."""
    path = tmp_path / tokens.KEY_FILE
    path.write_text("short")
    path.chmod(0o600)
    with pytest.raises(tokens.NoKey, match="5 bytes"):
        tokens.key(tmp_path)
    path.write_text("x" * 64)
    path.chmod(0o644)
    with pytest.raises(tokens.NoKey, match="chmod 600"):
        tokens.key(tmp_path)
