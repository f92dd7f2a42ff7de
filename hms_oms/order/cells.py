"""Cells: numbers for kinds of work, so that jobs of one cell take about as long as one another.

A cell is the job type, a bucket of its size, and the step at which it waits. The number tells the step, and
else it only tells cells apart: nobody has to give it out, and should two ever share one, they are estimated
as one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Any
from zlib import crc32

from hms_oms.order import estimates

#: The first six bits are the step; the database counts so, too (oms.cell_at).
STEPS = 64
#: So many kinds of work can be told apart in the number that is left.
KINDS = 2**25
#: A longer text is cut off.
LONGEST = 40


def first(job_type: str, field: str | None, payload: Mapping[str, Any]) -> int:
    """The cell of a request before its first step; a field of its payload may tell its size."""
    return cell(job_type, "" if field is None else size(payload.get(field)))


def cell(job_type: str, size: str = "", step: int = 0) -> int:
    """The cell of jobs of a type and size that wait for a step."""
    return crc32(f"{job_type}\0{size}".encode()) % KINDS * STEPS + min(step, STEPS - 1)


def size(value: Any) -> str:
    """A size in words: a bucket of a number or of a length, or what the value says."""
    match value:
        case bool() | str():
            return str(value)[:LONGEST]
        case int() | float():
            return f"2^{estimates.bucket(value) / estimates.BUCKETS_PER_OCTAVE:g}"
        case Sized():
            return f"2^{estimates.bucket(len(value)) / estimates.BUCKETS_PER_OCTAVE:g}"
    return ""
