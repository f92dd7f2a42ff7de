"""The floor that runs under a home: its lock, and the file that names its servers."""

from __future__ import annotations

import json
from pathlib import Path

from hms_oms.runtime.errors import ConfigError

#: Where the launcher writes down the addresses of the servers it started (mode 0600).
SERVERS_FILE = "servers.json"
#: Locked by the process that keeps a home.
LOCK_FILE = "lock"


def servers(home: Path) -> dict[str, str]:
    """Settings that the floor under `home` has written down; none if it was never started there."""
    try:
        document = json.loads((home / SERVERS_FILE).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError([f"{home / SERVERS_FILE} cannot be read: {error}"]) from None
    names = ["database_url", "broker_url"]
    if _is_kept(home):
        # Anyone who listens at the port of a floor that was killed may be anybody: no badge is shown there.
        names.append("floor_url")
    return {name: document[name] for name in names if name in document}


def _is_kept(home: Path) -> bool:
    """Whether the process lives that keeps this home, and with it the floor's port."""
    try:
        import fcntl

        with (home / LOCK_FILE).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (OSError, ImportError):
        return False
    return False
