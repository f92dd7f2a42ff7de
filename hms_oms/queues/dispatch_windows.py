"""The dispatch window of a queue: the few messages in Redis, in front of its workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection
from hms_oms.jobs.records import Band, Place
from hms_oms.jobs.workers import GONE_SECONDS
from hms_oms.order.policy import Policy


@dataclass(frozen=True, slots=True)
class Window:
    """How a queue's window stands: `size` is None where nobody has set it by hand."""

    queue: str
    slots: int
    size: int | None
    queued: int
    #: The first job of its backlog of those that are kept; None if there is none.
    kept: Place | None
    #: The first of those that were given up.
    given_up: Place | None = None
    #: How many jobs may start now by the queue's limit per minute; None where there is none.
    starts_allowed: int | None = None
    #: All jobs in flight, of whichever queue, were taken since then.
    in_flight_from: datetime | None = None
    #: The kind of work of the first job that was given up.
    given_up_cell: int | None = None
    policy: Policy = Policy.MOST_ON_TIME
    starts_per_minute: int | None = None
    #: When this was so, in seconds of the ledger's clock.
    now: float = 0.0
    #: How many more jobs may be in flight by the queue's limit; None where there is none.
    free_at_once: int | None = None

    @property
    def front(self) -> Place | None:
        """The first job of the whole backlog; None if that is empty."""
        return self.kept or self.given_up

    @property
    def fronts(self) -> Iterable[Place]:
        """The first job of each band in which there is one."""
        return (place for place in (self.kept, self.given_up) if place is not None)

    @property
    def holds_back(self) -> bool:
        """Whether what was given up is held back: another job waits, or is about to begin."""
        return self.policy is Policy.DEFER and (self.kept is not None or self.queued > 0)

    def room(self, starts_per_second: float) -> int:
        """How many more jobs the window takes, for work that was started lately at this throughput.

        Twice the workers' slots, and what they start in a tenth of a second: short steps would
        otherwise empty the window before the dispatcher looks again. Without a live worker there is no
        window, because what is published can no longer be put into another order.
        """
        if self.size is not None:
            size = self.size
        elif self.slots:
            size = 2 * self.slots + round(starts_per_second / 10)
        else:
            size = 0
        room = max(0, size - self.queued)
        allowed = [most for most in (self.starts_allowed, self.free_at_once) if most is not None]
        return max(0, min([room, *allowed]))


def windows(
    connection: RawConnection,
    places: Mapping[tuple[str, Band], Place] | None = None,
    in_flight_from: datetime | None = None,
) -> list[Window]:
    """The windows of all queues that are not paused.

    Each band of a backlog is looked at from its place in `places` on, what is in flight since
    `in_flight_from`.
    """
    known = (places or {}).items()
    rows = statements.run_raw(
        connection,
        "windows",
        {
            "gone": GONE_SECONDS,
            "in_flight_from": in_flight_from,
            "queues": [queue for (queue, _), _ in known],
            "bands": [place.band for _, place in known],
            "ranks": [place.rank for _, place in known],
            "dues": [place.due for _, place in known],
            "jobs": [place.job for _, place in known],
        },
    )
    return [
        Window(
            row["queue"],
            row["slots"],
            row["window_size"],
            row["queued"],
            _place(row, Band.KEPT),
            _place(row, Band.GIVEN_UP),
            row["starts_allowed"],
            row["in_flight_from"],
            row["given_up_cell"],
            Policy(row["policy"]),
            row["starts_per_minute"],
            row["now"],
            row["free_at_once"],
        )
        for row in rows
    ]


def _place(row: Mapping[str, Any], band: Band) -> Place | None:
    column = band.name.lower()
    job = row[f"{column}_job"]
    return None if job is None else Place(band, row[f"{column}_rank"], row[f"{column}_due"], job)


def charge(connection: RawConnection, queue: str, starts: int) -> None:
    """Count `starts` against a queue's limit per minute."""
    statements.run_raw(connection, "charge", {"queue": queue, "starts": starts})
