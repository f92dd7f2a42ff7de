"""Server-sent events: the lines of a stream that does not end, put together to frames."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """One event; `id` is the last one that the stream named, and where to go on after it."""

    event: str
    data: str
    id: str


def read(chunks: Iterable[bytes], last_id: str = "") -> Iterator[Frame]:
    """The frames of a stream, each as soon as it is whole; one that is cut off is left out."""
    event, data = "", list[str]()
    for line in _lines(chunks):
        if not line:
            if data:
                yield Frame(event or "message", "\n".join(data), last_id)
            event, data = "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            event = value
        elif name == "data":
            data.append(value)
        elif name == "id" and "\0" not in value:
            last_id = value


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """The lines, ended by LF, CR or CRLF: other separators that str.splitlines knows may stand in JSON."""
    pending = b""
    for chunk in chunks:
        pending += chunk
        # A CR at the end may be one half of a CRLF.
        whole, held = (pending[:-1], b"\r") if pending.endswith(b"\r") else (pending, b"")
        *lines, rest = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        yield from (line.decode("utf-8", "replace") for line in lines)
        pending = rest + held
