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
from typing import Any

KEPT = Path("map.jsonl")


class Map(BaseHTTPRequestHandler):
    """Takes events that are signed, each id once."""

    def do_POST(self) -> None:
        """Answer 204 once the event is kept; whatever is not ours is refused."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        ours = is_ours(os.environ["MAP_SECRET"], dict(self.headers), body)
        if ours:
            keep(json.loads(body))
        self.send_response(204 if ours else 401)
        self.end_headers()


def keep(event: dict[str, Any]) -> None:
    """Write an event down, unless one with its id has come before."""
    lines = KEPT.read_text(encoding="utf-8").splitlines() if KEPT.exists() else []
    if event["id"] not in {json.loads(line)["id"] for line in lines}:
        with KEPT.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"id": event["id"], "outcome": event["data"].get("outcome")}) + "\n")


def is_ours(secret: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Whether the body is signed with the secret, and the signature is of these minutes."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    mac = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    fresh = abs(time.time() - int(headers["webhook-timestamp"])) < 300
    signatures = headers["webhook-signature"].split()
    return fresh and any(hmac.compare_digest(f"v1,{mac}", each) for each in signatures)


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Map).serve_forever()
