"""A small disk of PostgreSQL's own, which can be filled: memory that is mounted, where that is permitted."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

#: How large it is: a storm writes less, and memory that is not written to is not taken.
SIZE = "2g"
#: What PostgreSQL keeps on it: its tables, and its write-ahead log.
FOLDERS = ("base", "pg_wal")
_PIECE = 1 << 20


class Disk:
    """A disk under a cluster that stands still; `why_not` says why there is none here."""

    why_not: str | None = None

    def __init__(self, home: Path) -> None:
        self._place = home / "disk"
        self._mounted: list[Path] = []
        self._ballast: int | None = None

    def put_under(self, cluster: Path) -> bool:
        """Move a cluster's folders to the disk; False where nothing may be mounted."""
        self._place.mkdir(mode=0o711)
        try:
            self._mount("-t", "tmpfs", "-o", f"size={SIZE},mode=711", "tmpfs", str(self._place))
            for name in FOLDERS:
                _run("cp", "-a", str(cluster / name), str(self._place / name))
                self._mount("--bind", str(self._place / name), str(cluster / name))
        except (OSError, subprocess.CalledProcessError) as error:
            self.why_not = str(getattr(error, "stderr", None) or error).strip()
            self.take_away()
            return False
        return True

    def fill(self) -> None:
        """Take all room that is left."""
        if self._ballast is None:
            self._ballast = os.open(self._place / "ballast", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for piece in (_PIECE, 4096):
            try:
                while True:
                    os.write(self._ballast, bytes(piece))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def free(self) -> None:
        """Give the room back."""
        if self._ballast is not None:
            os.ftruncate(self._ballast, 0)
            os.close(self._ballast)
            self._ballast = None

    def take_away(self) -> None:
        """Unmount it, with all that is on it."""
        for place in reversed(self._mounted):
            subprocess.run(["umount", "--lazy", place], check=False, capture_output=True)
        self._mounted.clear()
        shutil.rmtree(self._place, ignore_errors=True)

    def _mount(self, *words: str) -> None:
        _run("mount", *words)
        self._mounted.append(Path(words[-1]))


def small(home: Path, cluster: Path) -> Disk | None:
    """A small disk under this cluster; None, said aloud, where it cannot be made."""
    disk = Disk(home)
    if disk.put_under(cluster):
        return disk
    print(f"no disk is filled: nothing may be mounted here ({disk.why_not})", file=sys.stderr)
    return None


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
