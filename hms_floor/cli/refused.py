"""The refused file: what was turned away at the door, line by line, for whoever mends the list."""

from __future__ import annotations

import csv
from pathlib import Path
from types import TracebackType
from typing import IO

from hms_oms.cycles import RefusedRow


class RefusedFile:
    """A CSV file `line,field,reason`, made when the first line is refused.

    It stands at `wanted`, or at `instead` where that place cannot be written to.
    """

    def __init__(self, wanted: Path, instead: Path | None = None) -> None:
        self.path = wanted
        self._instead = instead or wanted
        self._file: IO[str] | None = None

    def __enter__(self) -> RefusedFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    @property
    def is_there(self) -> bool:
        """Whether anything was refused."""
        return self._file is not None

    def write(self, refusal: RefusedRow) -> None:
        """Add one refused line."""
        if self._file is None:
            self._file = self._open()
            csv.writer(self._file).writerow(["line", "field", "reason"])
        csv.writer(self._file).writerow([refusal.line, refusal.field, refusal.reason])

    def flush(self) -> None:
        """Have what was written so far readable by others."""
        if self._file is not None:
            self._file.flush()

    def _open(self) -> IO[str]:
        try:
            return _create(self.path)
        except OSError:
            self.path = self._instead
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return _create(self.path)


def _create(path: Path) -> IO[str]:
    # With a mark at its start, spreadsheets know that it is UTF-8.
    return path.open("w", encoding="utf-8-sig", newline="")
