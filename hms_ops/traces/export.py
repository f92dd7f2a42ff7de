"""Sends the traces of ended jobs by OTLP, where OpenTelemetry's own variables say; off unless they do.

A trace is sent when its job has ended, from the ledger: so it is whole whatever died meanwhile, and a
receiver that is away gets it later. What is sent twice has the same ids.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, text

from hms_oms.jobs.records import Event, in_full
from hms_oms.runtime import telemetry
from hms_ops.statements import statement
from hms_ops.traces import spans as tracing
from hms_ops.traces.spans import Ended, Span

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

log = logging.getLogger(__name__)

#: How often ended jobs are looked for, in seconds, and how many are sent at once.
LOOK_SECONDS = 2.0
MOST_JOBS = 200
#: A report may be committed so long after the moment that it names, in seconds.
SETTLE_SECONDS = 3.0
#: How long a receiver that does not take them is left alone: from, to; in seconds.
BACKOFF_SECONDS = (2.0, 60.0)


def exporter() -> SpanExporter | None:
    """The exporter that the environment describes; None, and a line in the log, without the extra."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        log.error(
            "no traces are sent: install 'hms-management-layer[otel]', or unset %s", telemetry.ENDPOINTS[1]
        )
        return None
    # A receiver that is away is told once a turn, in words of ours.
    logging.getLogger("opentelemetry.exporter").setLevel(logging.CRITICAL)
    return OTLPSpanExporter()


#: Opens a transaction in which only the leader writes.
Begin = Callable[[], AbstractContextManager[Connection]]


class Traces:
    """Daemon that sends them."""

    #: What has ended meanwhile goes together.
    least_seconds = 0.5

    def __init__(self, engine: Engine, begin: Begin, sender: SpanExporter) -> None:
        self._engine = engine
        self._begin = begin
        self._sender = sender
        self._pause = 0.0
        with engine.connect() as connection:
            self._installation = str(connection.scalar(text("select id from oms.installation")))
            row = connection.execute(text("select finished_at, job_id from ops.traces_sent")).first()
            # What ended before traces were first asked for is not told.
            now = connection.scalar(text("select oms.now()"))
        self._sent: tuple[datetime, int] = (row.finished_at, row.job_id) if row else (now, 0)

    def turn(self) -> float:
        """Send what has ended; return after how many seconds to look again."""
        with self._engine.connect() as connection:
            parameters = {"finished_at": self._sent[0], "job": self._sent[1]}
            rows = connection.exec_driver_sql(
                statement("ended_jobs"), {**parameters, "settle": SETTLE_SECONDS, "limit": MOST_JOBS}
            ).all()
        if not rows:
            return LOOK_SECONDS
        if not self._send([_finished(self._installation, row) for row in rows]):
            self._pause = min(max(2 * self._pause, BACKOFF_SECONDS[0]), BACKOFF_SECONDS[1])
            log.warning(
                "%d traces wait: the receiver does not take them; again in %g s", len(rows), self._pause
            )
            return self._pause
        self._pause = 0.0
        self._note(rows[-1].finished_at, rows[-1].id)
        return 0.0 if len(rows) == MOST_JOBS else LOOK_SECONDS

    def _send(self, jobs: Sequence[tuple[int, list[Span]]]) -> bool:
        from opentelemetry.sdk.trace.export import SpanExportResult

        ready = [span for trace, spans in jobs for span in readable(trace, spans)]
        return self._sender.export(ready) is SpanExportResult.SUCCESS

    def _note(self, finished_at: datetime, job: int) -> None:
        self._sent = finished_at, job
        with self._begin() as connection:
            connection.exec_driver_sql(statement("traces_sent"), {"finished_at": finished_at, "job": job})


def readable(trace: int, spans: Sequence[Span]) -> list[ReadableSpan]:
    """Spans as OpenTelemetry's own exporter takes them."""
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import Event, ReadableSpan
    from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get(
        "OTEL_RESOURCE_ATTRIBUTES", ""
    )
    name = {} if named else {"service.name": "hms"}
    resource = Resource.create({**name, "service.version": version("hms-management-layer")})

    def context(span: int) -> SpanContext:
        return SpanContext(trace, span, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    return [
        ReadableSpan(
            name=item.name,
            context=context(item.id),
            parent=None if item.parent is None else context(item.parent),
            resource=resource,
            attributes=item.attributes,
            events=[Event(what, timestamp=_nanoseconds(when)) for what, when in item.events],
            kind=SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR, item.fault) if item.fault else Status(StatusCode.UNSET),
            start_time=_nanoseconds(item.start),
            end_time=_nanoseconds(item.end),
        )
        for item in spans
    ]


def _finished(installation: str, row: Any) -> tuple[int, list[Span]]:
    job = Ended(row.id, row.type, row.queue, row.status, row.steps, row.sla, row.finished_at)
    job = replace(job, parent_id=row.parent_id, part=row.part)
    lines = (Event(**{**line, "at": datetime.fromisoformat(line["at"])}) for line in row.event_log)
    return tracing.trace(installation, job.id), tracing.spans(installation, job, list(in_full(lines)))


def _nanoseconds(moment: datetime) -> int:
    since = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
