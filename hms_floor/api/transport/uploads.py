"""Read an upload as a stream from a thread, one chunk at a time."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any

from anyio import from_thread


class Upload(io.RawIOBase):
    """The body of a request, read from a thread of the pool; the sender waits while nobody reads."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Give what has come, after a wait where nothing has. Raises what the request raises."""
        while not self._rest and not self._ended:
            chunk = from_thread.run(self._next)
            self._ended = chunk is None
            self._rest = memoryview(chunk or b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    async def _next(self) -> bytes | None:
        return await anext(self._chunks, None)
