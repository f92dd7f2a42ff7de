"""What a client can do to queues: pause and limit them, set their order, SLA and calendar."""

from __future__ import annotations

from types import EllipsisType
from typing import Any

from hms_oms.api.codec import record
from hms_oms.api.http import Client, path
from hms_oms.documents.queues import Paused, QueueCalendar, QueueLimits, QueuePolicy, Resumed, SlaChange
from hms_oms.order.policy import Policy


class QueueCalls(Client):
    """The part of a client that steers queues."""

    def set_sla(
        self, queue: str, minutes: float, *, reason: str | None = None, dry_run: bool = False
    ) -> SlaChange:
        """Hold a queue to `minutes` from now on; jobs accepted before keep their deadline."""
        document = {"minutes": minutes, "dryRun": dry_run} | _given(reason=reason)
        return record(SlaChange, self._wire.put(path("queues", queue, "sla"), document))

    def pause(self, queue: str, *, reason: str | None = None, dry_run: bool = False) -> Paused:
        """Start nothing new in a queue; what stands in its window goes back to the backlog.

        With `dry_run` nothing is changed, here and below, but the `effect` on the open jobs is told.
        """
        document = _given(reason=reason, dryRun=dry_run or None)
        return record(Paused, self._wire.post(path("queues", queue, "pause"), document))

    def resume(self, queue: str, *, reason: str | None = None) -> Resumed:
        """Go on with a queue."""
        return record(Resumed, self._wire.post(path("queues", queue, "resume"), _given(reason=reason)))

    def limit(
        self,
        queue: str,
        *,
        window: int | EllipsisType | None = ...,
        starts_per_minute: int | EllipsisType | None = ...,
        at_once: int | EllipsisType | None = ...,
        reason: str | None = None,
        dry_run: bool = False,
    ) -> QueueLimits:
        """Limit a queue's window, starts a minute, jobs at once; None: any, what is not given stays."""
        limits = {"window": window, "startsPerMinute": starts_per_minute, "atOnce": at_once}
        document = {name: value for name, value in limits.items() if value is not ...}
        document |= _given(reason=reason, dryRun=dry_run or None)
        return record(QueueLimits, self._wire.post(path("queues", queue, "limit"), document))

    def policy(
        self,
        queue: str,
        policy: Policy | None = None,
        *,
        reason: str | None = None,
        dry_run: bool = False,
    ) -> QueuePolicy:
        """Set how the jobs of a queue are put in order; with None only tell how."""
        document = _given(policy=policy and policy.value, reason=reason, dryRun=dry_run or None)
        return record(QueuePolicy, self._wire.post(path("queues", queue, "policy"), document))

    def set_calendar(
        self,
        queue: str,
        hours: str | None,
        *,
        timezone: str | None = None,
        holidays: str | None = None,
        reason: str | None = None,
    ) -> QueueCalendar:
        """Count the SLAs of a queue in office hours from now on, as `Mo-Fr 08:00-16:30`; None: always.

        `timezone` is the office's if none is named; `holidays` are those of a country or a part of it, as
        US-IL. Jobs accepted before keep their deadline. Raises InvalidRequest, which says what is wrong.
        """
        document = {"hours": hours} | _given(timezone=timezone, holidays=holidays, reason=reason)
        return record(QueueCalendar, self._wire.put(path("queues", queue, "calendar"), document))


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
