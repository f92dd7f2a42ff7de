"""Reports and history: the part of the client for HMS-OPS that reads what was."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import IO

from hms_oms.api.codec import day, record
from hms_oms.api.http import Client, path
from hms_ops.documents.past import QueueHistory
from hms_ops.documents.reports import History, SlaCounts, SlaReport


class ReportsClient(Client):
    """How deadlines were met, and how metrics and queues went."""

    def sla_report(
        self,
        since: date | None = None,
        until: date | None = None,
        *,
        week: bool = False,
        queue: str | None = None,
        zone: str | None = None,
    ) -> SlaReport:
        """SLA report of one queue or all from `since` until before `until`, by default of seven days.

        Both may be days or times. With `week` it is the week of `since`, or this one. Days are those of
        `zone`, by default that of the on-call document.
        """
        span = _span(since, until, week=week)
        return record(SlaReport, self._wire.get("/sla/report", queue=queue, zone=zone, **span))

    def sla_report_file(
        self,
        file: IO[bytes],
        since: date | None = None,
        until: date | None = None,
        *,
        week: bool = False,
        queue: str | None = None,
        zone: str | None = None,
    ) -> None:
        """Write the same report into a file, as a PDF."""
        span = _span(since, until, week=week)
        self._wire.download("/sla/report.pdf", file, queue=queue, zone=zone, **span)

    def sla_days(
        self, queue: str | None = None, days: int = 14, *, zone: str | None = None
    ) -> Mapping[date, SlaCounts]:
        """SLA report by day for a queue, or for all; today is the last."""
        answer = self._wire.get("/sla/days", queue=queue, days=days, zone=zone)["days"]
        return {date.fromisoformat(day): record(SlaCounts, counts) for day, counts in answer.items()}

    def history(
        self,
        name: str,
        queue: str | None = None,
        since: date | None = None,
        until: date | None = None,
        *,
        step: int | None = None,
        zone: str | None = None,
    ) -> History:
        """History of a metric in steps of `step` seconds; by default seven days in some hundred steps."""
        query = {"queue": queue, "from": day(since), "to": day(until), "step": step, "zone": zone}
        return record(History, self._wire.get("/history", name=name, **query))

    def queue_history(
        self, queue: str, since: date | None = None, until: date | None = None, behind: str | None = None
    ) -> QueueHistory:
        """How a queue went, by default the last day; `behind` (day, week) is what was so long before."""
        span = {"from": day(since), "to": day(until), "behind": behind}
        return record(QueueHistory, self._wire.get(path("queues", queue, "history"), **span))


def _span(since: date | None, until: date | None, *, week: bool) -> dict[str, str | None]:
    return {"from": day(since), "to": day(until), "week": "true" if week else None}
