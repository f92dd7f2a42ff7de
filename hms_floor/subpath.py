"""The path below which the world sees the floor, behind a proxy: the path of HMS_PUBLIC_URL.

A proxy may hand the path on or leave it out: both are answered, and so is anyone who asks the floor itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from hms_oms.runtime.errors import ConfigError

#: What some proxies add when they leave the path out; NiceGUI would put it before the path that we know.
_TOLD = b"x-forwarded-prefix"
#: Where the pages stand, and what belongs to them; the API's routes are told by itself.
PAGES = ("/floor", "/enter", "/leave", "/here", "/flower", "/flower-link", "/sign-in", "/signed-in")


def of(public_url: str | None) -> str:
    """The path of this URL, without a slash at its end; empty if it has none."""
    return urlsplit(public_url or "").path.rstrip("/")


def require_free(root: str, routes: Iterable[str]) -> None:
    """Raise ConfigError if a path begins like one of the floor's own: nobody could tell them apart."""
    first = root.split("/")[1] if root else None
    if first in {address.split("/")[1] for address in (*routes, *PAGES)}:
        fault = f"/{first} is an address of the floor itself; let the path begin otherwise, as /hms"
        raise ConfigError([f"HMS_PUBLIC_URL: {fault}"])


class Subpath:
    """ASGI middleware: every request comes to the routes with the path, as the specification has it."""

    def __init__(self, app: ASGIApp, root: str) -> None:
        self._app, self._root = app, root

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            headers = [header for header in scope["headers"] if header[0] != _TOLD]
            scope = {**scope, "root_path": self._root, "headers": headers}
            path = scope["path"]
            if path == self._root:
                scope["path"], scope["raw_path"] = f"{path}/", f"{path}/".encode()
            elif not path.startswith(f"{self._root}/"):
                scope["path"] = self._root + path
                scope["raw_path"] = self._root.encode() + (scope.get("raw_path") or b"")
        await self._app(scope, receive, send)


def root(scope: Scope) -> str:
    """The path below which the floor stands, for a request at any of its routes."""
    path: str = scope.get("app_root_path", scope.get("root_path", ""))
    return path


def inside(scope: Scope) -> str:
    """The path that was asked for, as the floor's own routes know it."""
    return str(scope["path"]).removeprefix(root(scope))


def redirect(
    scope: Scope, address: str, status: int, headers: Mapping[str, str] | None = None
) -> RedirectResponse:
    """An answer that leads to an address of the floor."""
    return RedirectResponse(root(scope) + address, status, headers)
