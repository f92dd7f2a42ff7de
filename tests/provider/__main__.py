"""`python -m tests.provider --state DIR`: the provider as a process of its own.

Its port is written to DIR/port, the truth of the handsets to DIR/handsets.jsonl, one JSON line for each text.
It obeys the JSON lines that it reads, answers each by one, and ends with its standard input: so it never
outlives the test that started it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.provider.exchange import Exchange
from tests.provider.faults import parse
from tests.provider.script import Script
from tests.provider.server import Api
from tests.provider.webhooks import Webhooks, reply_form


class Desk:
    """What the provider can be told to do; each order is a method."""

    def __init__(self, folder: Path) -> None:
        self._exchange = Exchange(folder)
        self._webhooks = Webhooks()
        self._script = Script()
        self._api = Api(self._exchange, self._script, self._webhooks)
        self._api.open()
        port = folder / "port.part"
        port.write_text(str(self._api.port))
        port.rename(folder / "port")
        self.orders: dict[str, Callable[..., Any]] = {
            "fault": lambda **fault: self._script.add(parse(fault)),
            "clear": self._script.clear,
            "lurking": self._script.lurking,
            "requests": self._script.requests,
            "held": self._script.held,
            "release": self._script.release,
            "open": self._api.open,
            "close": self._api.close,
            "messages": self._exchange.documents,
            "forward": self._exchange.forward,
            "calls": lambda: self._webhooks.calls,
            "release_callbacks": self._webhooks.release,
            "webhooks": self.webhooks,
            "reply": self.reply,
            "post": self._webhooks.call,
            "reset": self.reset,
        }

    def reset(self) -> None:
        """Forget everything that was sent, and every fault."""
        self._script.reset()
        self._api.open()
        self._webhooks.reset()
        self._exchange.reset()

    def webhooks(self, forward: str | None, token: str) -> None:
        """Where callbacks are taken, and the secret that they are signed with."""
        self._webhooks.forward, self._webhooks.token = forward, token

    def reply(self, phone: str, body: str, url: str) -> dict[str, Any]:
        """A text from a phone, called in to `url`."""
        message = self._exchange.receive(phone, body)
        return self._webhooks.call(url, reply_form(message), message.sid)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m tests.provider", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder for the port and the handsets")
    folder: Path = parser.parse_args().state
    folder.mkdir(parents=True, exist_ok=True)
    desk = Desk(folder)
    for line in sys.stdin:
        order, arguments = json.loads(line)
        try:
            answer = {"answer": desk.orders[order](**arguments)}
        except Exception as error:  # noqa: BLE001 -- told to the person who gave the order
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
