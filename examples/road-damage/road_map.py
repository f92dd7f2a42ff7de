"""The county's map of repairs: hears by webhook what has become of each report, and keeps it once.

Run it with a port; the secret that `hms webhook add` has printed is in MAP_SECRET.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

KEPT = Path("map.jsonl")


class Map(BaseHTTPRequestHandler):
    """Takes events that are signed, each id once."""

    def do_POST(self) -> None:
        """Answer 204 once the event is kept; what is not ours is refused with 401, what is none with 400."""
        length = self.headers.get("Content-Length", "")
        body = self.rfile.read(int(length) if length.isdecimal() and len(length) < 8 else 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if is_ours(os.environ["MAP_SECRET"], headers, body):
            self.send_response(204 if keep(body) else 400)
        else:
            self.send_response(401)
        self.end_headers()


def keep(body: bytes) -> bool:
    """Write an event down, unless one with its id has come before; whether it is an event."""
    try:
        event = json.loads(body)
    except ValueError:
        return False
    match event:
        case {"id": str(number), "data": {**data}}:
            lines = KEPT.read_text(encoding="utf-8").splitlines() if KEPT.exists() else []
            if number not in {json.loads(line)["id"] for line in lines}:
                with KEPT.open("a", encoding="utf-8") as file:
                    file.write(json.dumps({"id": number, "outcome": data.get("outcome")}) + "\n")
            return True
    return False


def is_ours(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the body is signed with the secret, and the signature is of these minutes."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    sent_at = headers.get("webhook-timestamp", "")
    signed = f"{headers.get('webhook-id', '')}.{sent_at}.".encode() + body
    mac = b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    signatures = headers.get("webhook-signature", "").encode().split()
    # What the signature holds for is a time: who has the secret has written it.
    is_signed = any(hmac.compare_digest(mac, signature) for signature in signatures)
    return is_signed and abs(time.time() - int(sent_at)) < 300


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Map).serve_forever()
