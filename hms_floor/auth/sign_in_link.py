"""The one-time link that `hms up` prints: anyone who can read this machine's home may sign in with it, once.

home/enter   the code and until when it holds (mode 0600); removed by the first who uses it
"""

from __future__ import annotations

import hmac
import json
import secrets
from pathlib import Path

from hms_floor.private_files import write_private

CODE_FILE = "enter"
#: How long a code holds, in seconds.
SECONDS = 900.0


def make_code(home: Path, now: float) -> str:
    """A new code, in place of the one before; `now` is the time in seconds since the epoch."""
    code = secrets.token_urlsafe(16)
    write_private(home / CODE_FILE, json.dumps({"code": code, "until": now + SECONDS}))
    return code


def use_code(home: Path, code: str, now: float) -> bool:
    """Whether the code is right and still holds; it is used up by being right, and only once."""
    path = home / CODE_FILE
    try:
        kept = json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    if not hmac.compare_digest(kept["code"].encode(), code.encode()) or now > kept["until"]:
        return False
    try:
        path.unlink()  # of two who come at once, one finds it gone
    except FileNotFoundError:
        return False
    return True
