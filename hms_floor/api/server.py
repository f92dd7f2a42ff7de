"""The API process: uvicorn with limits on connections, heads and bodies."""

from __future__ import annotations

import resource
import socket
from typing import Any

import uvicorn
from fastapi import FastAPI

from hms_floor.api.app_state import AppState
from hms_floor.api.transport.connection import MOST_CONNECTIONS, SLACK, GuardedConnection
from hms_floor.api.transport.shares import BOUNDS
from hms_floor.local.listening import listen
from hms_oms.runtime import garbage
from hms_oms.runtime.settings import Settings

#: Files that are open besides: the ledger's connections, logs, uploads.
OTHER_FILES = 200
#: How long a connection may rest between two requests, in seconds.
REST_SECONDS = 20
#: What is being answered gets this long when the API closes, in seconds.
CLOSE_SECONDS = 5


class _Server(uvicorn.Server):
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Those who wait would keep the API open until their time is over.
        app_state: AppState = self.config.app.state.app_state  # type: ignore[union-attr]
        app_state.line.send_home()
        app_state.feed.close()
        await super().shutdown(sockets)


def serve(app: FastAPI, settings: Settings, listening: socket.socket | None = None) -> None:
    """Serve until SIGTERM or SIGINT, at a socket that listens already if there is one.

    Raises ConfigError where the port is taken.
    """
    _allow_files(MOST_CONNECTIONS + SLACK + BOUNDS["page"].most + OTHER_FILES)
    listening = listening or listen(settings.floor_host, settings.floor_port)
    options: dict[str, Any] = {}
    if settings.floor_proxies:
        options = {"proxy_headers": True, "forwarded_allow_ips": settings.floor_proxies}
    config = uvicorn.Config(
        app,
        http=GuardedConnection,
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=REST_SECONDS,
        timeout_graceful_shutdown=CLOSE_SECONDS,
        **({"proxy_headers": False} | options),
    )
    garbage.freeze_loaded()
    with listening:
        _Server(config).run(sockets=[listening])


def _allow_files(limit: int) -> None:
    """Have room for all connections, as far as the system allows: often no more than 1,024 are set."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < limit:
        most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
