"""The refused file: the rows of a cycle that were refused, for the person who mends the list."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from hms_oms.client import OmsClient


def write(oms: OmsClient, cycle: int, path: Path, instead: Path) -> Path:
    """Write the refused rows of a cycle to `path`, or to `instead` if it must be; return where."""
    try:
        file, place = _create(path), path
    except OSError:
        instead.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file, place = _create(instead), instead
    with file:
        oms.refused_file(cycle, "xlsx" if place.suffix.lower() == ".xlsx" else "csv", file)
    return place


def _create(path: Path) -> IO[bytes]:
    return path.open("wb")
