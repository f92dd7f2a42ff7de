"""One trace a job, made from its event log: the right spans and times, also over a retry and a loss."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import ledger, losses
from hms_oms.jobs.queries import read
from hms_oms.jobs.records import Completion, Event
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime import telemetry
from hms_oms.runtime.trace_ids import span_id, trace_id
from hms_ops.traces import export, spans
from hms_ops.traces.export import Traces
from hms_ops.traces.spans import Ended
from workers.telemetry import trace_context

trace_service = pytest.importorskip("opentelemetry.proto.collector.trace.v1.trace_service_pb2")


class Receiver(ThreadingHTTPServer):
    """A stranger that takes traces by OTLP over HTTP; with `away` it refuses them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Any] = []
        self.resources: list[dict[str, str]] = []
        self.away = False

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}/v1/traces"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        """Take spans."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not self.server.away:
            asked = trace_service.ExportTraceServiceRequest.FromString(body)
            for resource_span in asked.resource_spans:
                self.server.resources.append(_values(resource_span.resource.attributes))
                self.server.spans += [span for scope in resource_span.scope_spans for span in scope.spans]
        self.send_response(400 if self.server.away else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _values(attributes: Any) -> dict[str, Any]:
    return {
        attribute.key: getattr(attribute.value, attribute.value.WhichOneof("value"))
        for attribute in attributes
    }


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver for as long as the block lasts."""
    receiver = Receiver()
    Thread(target=receiver.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        receiver.shutdown()
        receiver.server_close()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver that the environment names."""
    with receiving() as made:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", made.url)
        monkeypatch.setattr(export, "SETTLE_SECONDS", 0.0)
        yield made


def run(raw: RawConnection, job: int, attempt: int, step: str, following: str | None) -> None:
    """Claim and complete a step."""
    ticket = Ticket(job, attempt, step)
    assert ledger.claim(raw, [(ticket, 60.0)], "w@host/7/ab").get(ticket)
    place = ("pick", "pack", "send").index(step) + 1 if following else None
    report = Completion(ticket, '{"name": "Ann Lee"}', None, place, "shop" if following else None, False)
    assert ledger.complete(raw, [report], "w@host/7/ab")[ticket] is not None


def test_a_trace_tells_the_life_of_a_job(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, receiver: Receiver
) -> None:
    """A step lost with its worker, one that fails and is tried again: each run is a span of its own."""
    sender = export.exporter()
    assert sender is not None
    traces = Traces(engine, engine.begin, sender)
    with engine.begin() as connection:
        payload = {"number": 7, "phone": "+12025550142"}
        job = accept.start_job(connection, shop, payload, requested_by="Ann Lee").job.id
    ledger.take(raw, "shop", 1)
    lost = Ticket(job, 1, "pick")
    ledger.claim(raw, [(lost, 60.0)], "w@host/7/ab")
    losses.lose(raw, [lost], "the worker is gone", blame="step")
    ledger.take(raw, "shop", 1)
    run(raw, job, 2, "pick", "pack")
    failing = Ticket(job, 2, "pack")
    ledger.claim(raw, [(failing, 60.0)], "w@host/7/ab")
    ledger.fail(
        raw, failing, {"type": "ValueError", "message": "Ann Lee"}, retry_after=0.0, worker="w@host/7/ab"
    )
    assert traces.turn() > 0
    assert receiver.spans == []
    with engine.begin() as connection:
        connection.execute(sa.text("update oms.jobs set ready_at = null"))
    ledger.take(raw, "shop", 1)
    run(raw, job, 3, "pack", "send")
    run(raw, job, 3, "send", None)
    receiver.away = True
    assert traces.turn() > 0
    receiver.away = False
    traces.turn()

    with engine.connect() as connection:
        event_log = read.event_log(connection, job)
        installation = connection.scalar(sa.text("select id::text from oms.installation"))
    spans = receiver.spans
    assert {int.from_bytes(span.trace_id) for span in spans} == {trace_id(installation, job)}
    root, *below = spans
    assert (root.name, root.parent_span_id) == ("job shop:order:v1", b"")
    assert int.from_bytes(root.span_id) == span_id(installation, job)
    assert {span.parent_span_id for span in below} == {root.span_id}
    assert len({span.span_id for span in spans}) == len(spans)
    assert [span.name for span in below] == [
        *("accept", "wait pick", "step pick", "wait pick", "step pick"),
        *("wait pack", "step pack", "wait pack", "step pack", "wait send", "step send"),
    ]
    steps = [span for span in below if span.name.startswith("step")]
    ends = [(_values(span.attributes)["hms.attempt"], span.status.message) for span in steps]
    assert ends == [(1, "lost"), (2, ""), (2, "retrying: ValueError"), (3, ""), (3, "")]
    # One after the other without a gap, as the event log has it, and the job around them.
    times = [(span.start_time_unix_nano, span.end_time_unix_nano) for span in below]
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(times))
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (times[0][0], times[-1][1])
    claimed = [event.at for event in event_log if event.fact == "claimed"]
    assert [_moment(span.start_time_unix_nano) for span in steps] == claimed
    text = str(spans) + str(receiver.resources)
    assert "Ann" not in text
    assert "5550142" not in text
    assert receiver.resources[0]["service.name"] == "hms"


def _moment(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(0, tz=datetime.now().astimezone().tzinfo) + timedelta(
        microseconds=nanoseconds // 1000
    )


def test_each_trace_is_sent_once_over_a_change_of_leaders(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, receiver: Receiver
) -> None:
    """The next one goes on where the one before it was; what had ended before anybody asked is not sent."""
    sender = export.exporter()
    assert sender is not None

    def cancelled() -> int:
        with engine.begin() as connection:
            job = accept.start_job(
                connection, shop, {"number": 1}, requested_by="a", key=str(cancelled.count)
            ).job.id
            cancelled.count += 1
            connection.execute(
                sa.text(
                    "update oms.jobs set status = 'cancelled', finished_at = clock_timestamp()"
                    " where id = :job"
                ),
                {"job": job},
            )
        return job

    cancelled.count = 0
    cancelled()
    first = Traces(engine, engine.begin, sender)
    cancelled()
    first.turn()
    assert [span.name for span in receiver.spans] == ["job shop:order:v1", "accept", "wait pick"]
    cancelled()
    Traces(engine, engine.begin, sender).turn()
    first.turn()
    names = [_values(span.attributes)["hms.job.id"] for span in receiver.spans]
    assert names[:6] == ["job-2"] * 3 + ["job-3"] * 3


def test_what_a_step_traces_itself_hangs_below_its_span(engine: sa.Engine, database: str) -> None:
    """While a step runs its span is the current one; before and afterwards none is."""
    from opentelemetry import trace

    app = SimpleNamespace(settings=SimpleNamespace(servers=lambda: (database, "")))
    trace_context._attach("job-7.2.pack", SimpleNamespace(app=app))
    place = trace.get_current_span().get_span_context()
    trace_context._detach()
    with engine.connect() as connection:
        installation = str(connection.scalar(sa.text("select id from oms.installation")))
    assert place.trace_id == trace_id(installation, 7)
    assert place.span_id == span_id(installation, 7, "step", 2, "pack")
    assert place.trace_flags.sampled
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_SDK_DISABLED": "true"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c", "OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_traces_are_off_unless_a_receiver_is_named(environment: dict[str, str], expected: bool) -> None:
    """By OpenTelemetry's own variables."""
    assert telemetry.is_configured(environment) is expected


def test_a_part_names_its_job() -> None:
    """Its trace is of its own, called after the step, and leads to the job that it is a part of."""
    at = datetime.fromisoformat("2026-11-29T08:00:00+00:00")
    part = Ended(2, "shop:boxes:v1", "boxes", "done", ("pick", "box"), at, at, parent_id=1, part=3)
    [root, *_] = spans.spans("here", part, [Event(at, "accepted", "waiting", 1, 1, None, None)])
    assert root.name == "part box"
    assert (root.attributes["hms.job.parent"], root.attributes["hms.job.part"]) == ("job-1", 3)
