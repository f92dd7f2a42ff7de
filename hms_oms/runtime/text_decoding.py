"""Text as people's editors write it: UTF-8 with or without a mark, UTF-16, and unmistakable Windows-1252.

The one place that decodes documents, whatever is in them: CSV, JSON lines, JSON, TOML.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterator
from typing import IO

#: Stands in the text where bytes could not be decoded.
UNDECODABLE = re.compile("[\ud800-\udfff]")

_CHUNK = 1 << 16
_UTF16 = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
#: Two ASCII characters in UTF-16 that has no mark.
_BARE_UTF16 = {
    "utf-16-le": re.compile(rb"[\t\n\r -~]\0[\t\n\r -~]\0"),
    "utf-16-be": re.compile(rb"\0[\t\n\r -~]\0[\t\n\r -~]"),
}
#: Letters, quotes and dashes that Western European text has in Windows-1252. No other byte is guessed at.
_WESTERN = re.compile(
    r"[\x00-\x7f\xc0-\xd6\xd8-\xf6\xf8-\xff\xa0\xa7\xb0\u2018\u2019\u201c\u201d\u2013\u2014]*"
)
_LETTER = r"[A-Za-z\xc0-\xd6\xd8-\xf6\xf8-\xff]"
#: What Mac and DOS text looks like: a capital behind a small letter, a quote, dash or space within a word.
_DOUBTFUL = re.compile(
    r"[a-z\xdf-\xf6\xf8-\xff][\xc0-\xd6\xd8-\xde]"
    rf"|{_LETTER}[\xa0\u2018\u201c\u201d\u2013\u2014]{_LETTER}"
)


class Undecodable(ValueError):
    """The bytes are text in no encoding that is known beyond doubt."""

    def __init__(self, line: int) -> None:
        super().__init__(
            f"line {line} holds bytes that are neither UTF-8 nor surely Windows-1252: save the file as UTF-8"
        )


def decode(content: bytes) -> str:
    """A whole document. Raises Undecodable, naming the line."""
    text = "".join(pieces(io.BytesIO(content)))
    lines = [mended(line) for line in io.StringIO(text, newline="")]
    for number, line in enumerate(lines, start=1):
        if not line.isascii() and UNDECODABLE.search(line):
            raise Undecodable(number)
    return "".join(lines)


def mended(line: str) -> str:
    """A line of `pieces` with its Windows-1252 decoded, or as it is if that is not sure."""
    if line.isascii() or not UNDECODABLE.search(line):
        return line
    try:
        decoded = line.encode("utf-8", "surrogateescape").decode("cp1252")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return line
    return decoded if _WESTERN.fullmatch(decoded) and not _DOUBTFUL.search(decoded) else line


def pieces(stream: IO[bytes]) -> Iterator[str]:
    """A document piece by piece; what could not be decoded stands in it as lone surrogates."""
    chunk = stream.read(_CHUNK)
    # A pipe may give the byte order mark piece by piece.
    while 0 < len(chunk) < 4 and (more := stream.read(_CHUNK)):
        chunk += more
    encoding = _encoding(chunk)
    errors = "surrogateescape" if encoding == "utf-8-sig" else "surrogatepass"
    # The newline decoder holds back a CR at the end of a chunk: its LF may be the first of the next.
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(errors), translate=False)
    while chunk:
        yield decoder.decode(chunk)
        chunk = stream.read(_CHUNK)
    try:
        yield decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        yield "\udcff"  # half a character at the end of a UTF-16 file


def lines(stream: IO[bytes], longest: int) -> Iterator[str]:
    """The lines with their ends; of one that is too long only a beginning that is longer than `longest`."""
    pending = ""
    for text in pieces(stream):
        # StringIO splits at LF, CR and CRLF alone; str.splitlines would also split at U+2028 and others.
        pieces_read = io.StringIO(pending + text, newline="").readlines()
        pending = ""
        if pieces_read and not pieces_read[-1].endswith(("\r", "\n")):
            pending = pieces_read.pop()[: longest + 1]
        yield from map(mended, pieces_read)
    if pending:
        yield mended(pending)


def _encoding(beginning: bytes) -> str:
    if not beginning.startswith(_UTF32):
        for mark, encoding in _UTF16.items():
            if beginning.startswith(mark):
                return encoding
        for encoding, pattern in _BARE_UTF16.items():
            if pattern.match(beginning):
                return encoding
    return "utf-8-sig"


def shown(text: str, most: int = 40) -> str:
    """The text in quotes and cut, for use in a message."""
    return repr(text if len(text) <= most else text[: most - 3] + "...")
