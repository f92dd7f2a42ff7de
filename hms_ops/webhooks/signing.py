"""Signatures by Standard Webhooks, with secrets that are made of one key and kept nowhere.

The key is HMS_EVENTS_KEY, or the file {home}/events.key. Those who add webhooks (the API) and those who sign
(the watch) need the same.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from hms_oms.runtime.errors import HmsError
from hms_oms.runtime.settings import Settings

KEY_FILE = "events.key"
#: The least length of the key, in bytes.
KEY_BYTES = 32
_PREFIX = "whsec_"


class NoEventsKey(HmsError):
    """There is no key to sign events with."""


def key(settings: Settings) -> bytes:
    """The key of these settings. Raises NoEventsKey where it is missing, too short, or open to others."""
    if settings.events_key is not None:
        return settings.events_key.encode()
    path = settings.home / KEY_FILE
    try:
        text = path.read_text(encoding="ascii").strip().encode()
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError):
        raise NoEventsKey(
            f"there is no key to sign events with: set HMS_EVENTS_KEY as for the API, or copy its {KEY_FILE}"
            f" to {path}"
        ) from None
    if len(text) < KEY_BYTES:
        raise NoEventsKey(f"{path} holds {len(text)} bytes, a key has at least {KEY_BYTES}: remove it")
    if mode & 0o077:
        raise NoEventsKey(f"{path} may be read by others: chmod 600 {path}")
    return text


def make_key(settings: Settings) -> bytes:
    """The key of these settings, made in their home where there is none (mode 0600)."""
    path = settings.home / KEY_FILE
    if settings.events_key is None and not path.exists():
        settings.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_once(path, secrets.token_hex(KEY_BYTES))
    return key(settings)


def secret(key: bytes, webhook: int, salt: str) -> str:
    """The secret of a webhook, as its receiver is given it."""
    made = hmac.new(key, f"webhook:{webhook}:{salt}".encode(), hashlib.sha256).digest()
    return _PREFIX + base64.b64encode(made).decode()


def check(secret: str) -> str:
    """What tells that a secret is the one that was given away, and tells nothing else of it."""
    return hashlib.sha256(f"check:{secret}".encode()).hexdigest()[:16]


def headers(secret: str, event_id: str, at: int, body: bytes) -> dict[str, str]:
    """The headers of an event that is sent at `at` (seconds since 1970)."""
    signed = f"{event_id}.{at}.".encode() + body
    bytes_of_secret = base64.b64decode(secret.removeprefix(_PREFIX))
    mac = base64.b64encode(hmac.new(bytes_of_secret, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": event_id, "webhook-timestamp": str(at), "webhook-signature": f"v1,{mac}"}


def _write_once(path: Path, text: str) -> None:
    """Write a file that only its owner may read, unless another process has just done so."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    try:
        os.link(fresh, path)
    except FileExistsError:
        return
    finally:
        fresh.unlink()
