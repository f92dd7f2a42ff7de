"""Files in a folder below that of incoming files: which have come, and have stopped growing."""

from __future__ import annotations

import fnmatch
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hms_oms.recipes.schedules.written import SUFFIXES
from hms_oms.runtime.errors import HmsError

#: A file has come whole if it stays as it is for so long, in seconds.
SETTLED_SECONDS = 5.0
#: So many files of a folder are looked at.
MOST_FILES = 10_000


class NoFolder(HmsError):
    """The folder of a source is not there, or may not be read; the message says so to people."""


@dataclass(frozen=True, slots=True)
class State:
    """A file as the system knows it: two that are equal have one content."""

    inode: int
    size: int
    changed: int


@dataclass
class Folder:
    """Looks into folders below `root`, and remembers what it has seen there."""

    root: Path
    clock: Callable[[], float] = time.monotonic
    _seen: dict[Path, tuple[State, float]] = field(default_factory=dict)
    _done: dict[tuple[str, Path], State] = field(default_factory=dict)

    def look(self, schedule: str, source: str) -> tuple[list[Path], int]:
        """The files that have come whole and are not done, by name; and how many are still growing.

        Raises NoFolder.
        """
        come, growing = [], 0
        for path in self._matching(source):
            state = _state(path)
            if state is None or not state.size or self._done.get((schedule, path)) == state:
                continue
            before, since = self._seen.get(path, (None, 0.0))
            if before != state:
                self._seen[path] = state, self.clock()
                growing += 1
            elif self.clock() - since < SETTLED_SECONDS:
                growing += 1
            else:
                come.append(path)
        return come, growing

    def done(self, schedule: str, path: Path) -> None:
        """Look at a file no more until it changes."""
        if path in self._seen:
            self._done[schedule, path] = self._seen[path][0]

    def _matching(self, source: str) -> list[Path]:
        folder, pattern = self._place(source)
        try:
            return sorted(_files(folder, pattern))[:MOST_FILES]
        except OSError as error:
            raise NoFolder(f"the folder {folder} cannot be read: {error.strerror}") from None

    def _place(self, source: str) -> tuple[Path, str | None]:
        """The folder of a source, and the pattern of its files. Raises NoFolder for one outside the root."""
        path = self.root / source
        has_pattern = any(sign in path.name for sign in "*?[") or path.suffix.lower() in SUFFIXES
        folder, pattern = (path.parent, path.name) if has_pattern else (path, None)
        if not folder.resolve().is_relative_to(self.root.resolve()):
            raise NoFolder(f"{source} leads out of {self.root}, below which files are taken")
        return folder, pattern


def _files(folder: Path, pattern: str | None) -> Iterator[Path]:
    for path in folder.iterdir():
        # A file that is being copied has a name with a dot in front, as most programs write one.
        if path.name.startswith(".") or path.is_symlink() or not path.is_file():
            continue
        matches = fnmatch.fnmatchcase(path.name, pattern) if pattern else path.suffix.lower() in SUFFIXES
        if matches:
            yield path


def _state(path: Path) -> State | None:
    try:
        stat = path.stat()
    except OSError:  # it was taken away
        return None
    return State(stat.st_ino, stat.st_size, stat.st_mtime_ns)
