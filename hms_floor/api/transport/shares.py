"""Shares: how many streams, pages, uploads and waits one badge and one address may have open at once.

An answer of 429 means that the caller has its share, 503 that there is no more for anybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hms_floor.api.transport.problems import Problem, busy


@dataclass(frozen=True, slots=True)
class Bound:
    """Limits of one kind of connection in this process: per badge, per address, and in total."""

    what: str
    badge: int
    address: int
    most: int
    #: When it may be worth trying again, in seconds.
    again: int


BOUNDS = {
    "stream": Bound("streams", 250, 500, 1000, 30),
    "page": Bound("open pages", 250, 500, 1000, 30),
    "wait": Bound("waiting agents", 250, 500, 1000, 5),
    # Each keeps a thread and a connection to PostgreSQL busy.
    "upload": Bound("files on their way in", 2, 3, 4, 5),
}


class Shares:
    """Open connections by kind and owner."""

    def __init__(self) -> None:
        self.open: Counter[str] = Counter(dict.fromkeys(BOUNDS, 0))
        self._held: Counter[tuple[str, str, str]] = Counter()

    @contextmanager
    def hold(self, kind: str, badge: str, address: str | None) -> Iterator[None]:
        """Count one more for as long as the block lasts. Raises Problem if that is too many."""
        bound = BOUNDS[kind]
        whose = [(kind, "badge", badge)]
        if address is not None:
            whose.append((kind, "address", address))
        for key in whose:
            most = bound.badge if key[1] == "badge" else bound.address
            if self._held[key] >= most:
                raise _enough(f"this {key[1]} has {most:,} {bound.what} already", bound.again)
        if self.open[kind] >= bound.most:
            raise busy(f"there are {bound.most:,} {bound.what} already", bound.again)
        self.open[kind] += 1
        self._held.update(whose)
        try:
            yield
        finally:
            self.open[kind] -= 1
            self._held.subtract(whose)
            for key in whose:
                # Nothing is kept of those who have left.
                if not self._held[key]:
                    del self._held[key]


def _enough(detail: str, seconds: int) -> Problem:
    return Problem(429, detail, headers={"Retry-After": str(seconds)})
