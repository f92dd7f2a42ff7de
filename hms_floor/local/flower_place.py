"""Where Flower stands: below the floor's own address, which signs in to it for all who may read workers."""

from __future__ import annotations

import secrets
from pathlib import Path

from hms_floor import subpath
from hms_floor.private_files import write_private

PASSWORD_FILE = "flower.password"  # noqa: S105 -- a file's name
USER = "hms"
#: The path below which the floor hands requests on to Flower.
PATH = "/flower"


def password(home: Path) -> str:
    """The password of Flower's user `hms`, made where there is none (mode 0600)."""
    path = home / PASSWORD_FILE
    if not path.exists():
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, secrets.token_urlsafe(16))
    return path.read_text().strip()


def prefix(public_url: str | None) -> str:
    """The path of Flower as the world sees it, and as Flower itself is to know it."""
    return subpath.of(public_url) + PATH
