"""How far jobs are counted for people: of more it is only said that there are more."""

from __future__ import annotations

from hms_oms.runtime import format

COUNTED = 10_000


def words(number: int, *, uncounted: bool) -> str:
    """As `1 job`, `9,999 jobs` or `more than 10,000 jobs`."""
    return f"{'more than ' if uncounted else ''}{format.count(number, 'job')}"
