"""Content of a file on its way into a cycle: copied once, so that what is read is what its digest is of."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO

from hms_oms.runtime.errors import HmsError

#: What is held in memory, and the largest file that is taken, in bytes.
IN_MEMORY, MOST_BYTES = 8 << 20, 256 << 20
#: A file is read in pieces of so many bytes.
PIECE = 1 << 18


class TooLarge(HmsError):
    """A file of more bytes than are taken."""

    def __init__(self) -> None:
        super().__init__(f"is larger than {MOST_BYTES >> 20} MB")


@dataclass(frozen=True, slots=True)
class Spooled:
    """Content with its digest; `stream` stands at its start and is closed by the caller."""

    stream: IO[bytes]
    digest: str
    size: int


def spool(pieces: Iterable[bytes]) -> Spooled:
    """Copy content. Raises TooLarge, and what reading it raises."""
    stream: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
    digest, size = hashlib.sha256(), 0
    try:
        for piece in pieces:
            size += len(piece)
            if size > MOST_BYTES:
                raise TooLarge
            digest.update(piece)
            stream.write(piece)
    except BaseException:
        stream.close()
        raise
    stream.seek(0)
    return Spooled(stream, digest.hexdigest(), size)


def of_stream(stream: IO[bytes]) -> Spooled:
    """Copy what a stream has from here on. Raises TooLarge, and what reading it raises."""
    return spool(iter(lambda: stream.read(PIECE), b""))
