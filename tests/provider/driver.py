"""The provider as tests hold it: started, told what to do wrong, asked for the truth, ended."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.provider import ACCOUNT, NUMBER, TOKEN
from tests.provider.faults import Fault

ROOT = Path(__file__).resolve().parent.parent.parent
#: Seconds that the process may take to listen.
READY_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Text:
    """A text on a handset: `to` whom, and when it got there."""

    to: str
    body: str
    sid: str
    at: datetime


class Provider:
    """A provider in a process of its own; `url` is where it listens."""

    account, token, number = ACCOUNT, TOKEN, NUMBER

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self._folder = folder
        self._lock = threading.Lock()
        self.url = f"http://127.0.0.1:{int((folder / 'port').read_text())}"

    @classmethod
    def start(cls, folder: Path) -> Provider:
        """Start a provider whose state is in `folder`/provider, and wait until it listens."""
        state = folder / "provider"
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.provider", "--state", str(state)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + READY_SECONDS
        while not (state / "port").exists():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                raise ChildProcessError(f"the provider did not start (exit code {process.wait()})")
            time.sleep(0.005)
        return cls(process, state)

    def stop(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self) -> Provider:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def environment(self) -> dict[str, str]:
        """The settings that point OPS at this provider."""
        return {
            "HMS_SENDER": "twilio",
            # The people of the tests have numbers that are kept for fiction.
            "HMS_START_WITHOUT_ONCALL": "yes",
            "HMS_TWILIO_API_URL": self.url,
            "HMS_TWILIO_ACCOUNT_SID": ACCOUNT,
            "HMS_TWILIO_AUTH_TOKEN": TOKEN,
            "HMS_TWILIO_FROM": NUMBER,
        }

    def handsets(self, to: str | None = None) -> list[Text]:
        """The truth: all texts that got to a handset, or to this one, in the order in which they did."""
        lines = (self._folder / "handsets.jsonl").read_text(encoding="utf-8").splitlines()
        texts = [
            Text(line["to"], line["body"], line["sid"], datetime.fromtimestamp(line["at"], UTC))
            for line in map(json.loads, lines)
        ]
        return [text for text in texts if to in (None, text.to)]

    def fault(self, *faults: Fault) -> None:
        """Have these faults lie in wait, in this order."""
        for fault in faults:
            self._tell("fault", **asdict(fault))

    def clear(self) -> None:
        """Take back the faults that have not struck yet."""
        self._tell("clear")

    def lurking(self) -> int:
        """How many faults have not struck yet."""
        return int(self._tell("lurking"))

    def requests(self, method: str = "POST") -> list[dict[str, Any]]:
        """The requests so far: `at` (a timestamp), `path`, `form`, and `status` (None: unanswered)."""
        return [line for line in self._tell("requests") if line["method"] == method]

    def held(self) -> int:
        """How many requests are kept waiting."""
        return int(self._tell("held"))

    def release(self, hang_up: bool = False) -> int:
        """Let the kept requests go on, or hang up on them; how many they were."""
        return int(self._tell("release", hang_up=hang_up))

    def close(self) -> None:
        """Refuse connections from now on."""
        self._tell("close")

    def open(self) -> None:
        """Accept connections again, at the same address."""
        self._tell("open")

    def forward(self, seconds: float) -> None:
        """Move the provider's clock, as the ledger's is moved."""
        self._tell("forward", seconds=seconds)

    def messages(self) -> list[dict[str, Any]]:
        """The provider's own documents of all messages, oldest first, whatever its list would show."""
        return list(self._tell("messages"))

    def calls(self) -> list[dict[str, Any]]:
        """Callbacks so far: `url`, `form`, `token`, and their answer: `status` (None: nobody) and `body`."""
        return list(self._tell("calls"))

    def release_callbacks(self) -> None:
        """Let the late callbacks go."""
        self._tell("release_callbacks")

    def webhooks(self, forward: str | None = None, token: str = TOKEN) -> None:
        """Take callbacks to the server `forward`, whatever their address; sign with `token`."""
        self._tell("webhooks", forward=forward, token=token)

    def reply(self, phone: str, body: str, url: str) -> dict[str, Any]:
        """A handset answers: the text is called in to `url`, and this is the call."""
        return dict(self._tell("reply", phone=phone, body=body, url=url))

    def post(self, url: str, form: dict[str, str], token: str) -> dict[str, Any]:
        """Any call back, signed; `token` is the idempotency token that it carries."""
        return dict(self._tell("post", url=url, form=form, token=token))

    def reset(self) -> None:
        """Forget everything: texts, handsets, opt-outs, requests, calls, faults; port and clock stay."""
        self._tell("reset")

    def _tell(self, order: str, **arguments: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with self._lock:
            self.process.stdin.write(json.dumps([order, arguments]) + "\n")
            self.process.stdin.flush()
            answered = json.loads(self.process.stdout.readline())
        if "error" in answered:
            raise RuntimeError(f"the provider: {answered['error']}")
        return answered["answer"]
