"""Bind the address of the API, IPv4 or IPv6, before anything else starts, and derive its URL."""

from __future__ import annotations

import contextlib
import os
import socket
from pathlib import Path

from hms_floor.private_files import write_private
from hms_oms.runtime.errors import ConfigError
from hms_oms.runtime.settings import Settings

#: Addresses that mean all of this machine.
_ALL = ("", "0.0.0.0", "::")  # noqa: S104 -- compared, not bound


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises ConfigError if the address cannot be had."""
    raw = _bare(host)
    family = socket.AF_INET6 if ":" in raw else socket.AF_INET
    try:
        return socket.create_server((raw, port), family=family, backlog=1024, dualstack_ipv6=_both(raw))
    except OSError as error:
        # The words of the error itself say the address once more.
        why = os.strerror(error.errno or 0)
        fault = f"HMS_FLOOR_HOST, HMS_FLOOR_PORT: {host} port {port} cannot be used: {why}"
        raise ConfigError([fault]) from None


def url(host: str, port: int) -> str:
    """The URL at which this machine reaches who listens there."""
    raw = _bare(host)
    if raw in _ALL:
        raw = "127.0.0.1" if raw != "::" or _both(raw) else "::1"
    return f"http://[{raw}]:{port}" if ":" in raw else f"http://{raw}:{port}"


def free_port(home: Path, name: str, preferred: int, *, insist: bool) -> int:
    """The port of a program: the one that is wanted, else the one that it had before, else a free one.

    Raises ConfigError where it is insisted on a port that is taken.
    """
    path = home / f"{name}.port"
    kept = path.read_text() if path.exists() else ""
    for port in (preferred, int(kept) if kept.isdigit() else 0):
        if port and _is_free(port):
            return port
        if port == preferred != 0 and insist:
            raise ConfigError([f"HMS_{name.upper()}_PORT: port {port} of 127.0.0.1 is taken"])
    with socket.create_server(("127.0.0.1", 0)) as server:
        free: int = server.getsockname()[1]
    write_private(path, str(free))
    return free


def bound(settings: Settings, home: Path) -> socket.socket:
    """A socket at the floor's port: the one that is wanted, else the one that it had before, else a free one.

    Raises ConfigError if it is insisted on a port that is taken, or the address is not of this machine.
    """
    path = home / "floor.port"
    kept = path.read_text() if path.exists() else ""
    preferred = settings.floor_port
    # Two floors on one machine: only the port that somebody has chosen is insisted on.
    others = (int(kept) if kept.isdigit() else 0, 0) if preferred in (0, Settings.floor_port) else ()
    for port in others and dict.fromkeys((preferred or others[0], *others[:1])):
        with contextlib.suppress(ConfigError):
            if port:
                return listen(settings.floor_host, port)
    free = listen(settings.floor_host, 0 if others else preferred)
    if others:
        write_private(path, str(free.getsockname()[1]))
    return free


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _bare(host: str) -> str:
    return host.removeprefix("[").removesuffix("]")


def _both(host: str) -> bool:
    return host == "::" and socket.has_dualstack_ipv6()
