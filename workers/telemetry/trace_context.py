"""Attach the spans of a step's own code to the trace of its job, if traces are configured."""

from __future__ import annotations

import functools
import importlib.util
import logging
import os
import threading
from typing import Any

import psycopg2
from celery import signals

from hms_oms.database import connections
from hms_oms.jobs.tickets import Ticket
from hms_oms.runtime import telemetry
from hms_oms.runtime.trace_ids import span_id, trace_id

log = logging.getLogger(__name__)

_attached = threading.local()


def install() -> None:
    """Say in each step which span it is in; the span is made from the ledger when the job has ended."""
    if telemetry.is_configured() and importlib.util.find_spec("opentelemetry") is not None:
        signals.task_prerun.connect(_attach, weak=False)
        signals.task_postrun.connect(_detach, weak=False)


def _attach(task_id: str, task: Any, **_: Any) -> None:
    from opentelemetry import context, trace

    try:
        installation = _installation(task.app.settings.servers()[0], os.getpid())
    except psycopg2.Error as error:
        log.warning("the step runs without its place in a trace: %s", type(error).__name__)
        return
    ticket = Ticket.parse(task_id)
    place = trace.SpanContext(
        trace_id(installation, ticket.job),
        span_id(installation, ticket.job, "step", ticket.attempt, ticket.step),
        is_remote=True,
        trace_flags=trace.TraceFlags(trace.TraceFlags.SAMPLED),
    )
    _attached.token = context.attach(trace.set_span_in_context(trace.NonRecordingSpan(place)))


def _detach(**_: Any) -> None:
    from opentelemetry import context

    token = getattr(_attached, "token", None)
    if token is not None:
        context.detach(token)
        _attached.token = None


@functools.cache
def _installation(database_url: str, _: int) -> str:
    """The name of this ledger, asked once by each process."""
    connection = connections.connect(database_url, "hms traces")
    try:
        with connection.cursor() as cursor:
            cursor.execute("select id::text from oms.installation")
            [name] = cursor.fetchone() or ("",)
    finally:
        connection.close()
    return str(name)
