"""Client for HMS-OPS: live metrics, incidents, and the on-call document."""

from __future__ import annotations

import contextlib
import itertools
import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from hms_oms.api import sse as frames
from hms_oms.api.codec import record, stamp
from hms_oms.api.errors import TooManyRequests, Unavailable
from hms_oms.api.http import jitter, path
from hms_oms.documents.messages import Text
from hms_ops.documents.calling import OnCall, Silence, Status, Threshold
from hms_ops.documents.incidents import Incident, IncidentWithTimeline, LateJob
from hms_ops.documents.reports import Metric
from hms_ops.documents.webhooks import NewWebhook, Webhook, WebhookDelivery
from hms_ops.reports_client import ReportsClient

#: A stream that says nothing for so long, not even that it is there, is dead; in seconds.
SILENCE_SECONDS = 45.0
#: The most incidents that the API lists in one answer.
PAGE = 500

Callback = Callable[[Metric], object]


class OpsClient(ReportsClient):
    """Measurements, incidents, silences, the on-call document, thresholds and texts.

    All methods raise ApiError: Unauthorized, Forbidden, NotFound, Conflict, InvalidRequest,
    TooManyRequests, Unavailable.
    """

    def __init__(self, url: str | None = None, badge: str | None = None) -> None:
        """Raises ConfigError where no API is known, Unauthorized where there is no badge for it."""
        super().__init__(url, badge)
        self._callbacks: list[tuple[str, str | None, Callback]] = []

    def stream(self, queue: str | None = None) -> Generator[Metric, None, None]:
        """The measurements of a queue, or of the whole floor: the newest of each, then each as it changes.

        Does not end; see `frames`.
        """
        for metrics in self.frames(queue):
            yield from metrics

    def metrics(self, queue: str | None = None) -> list[Metric]:
        """The newest of each measurement of a queue, or of the whole floor."""
        with contextlib.closing(self.frames(queue)) as frames:
            return next(frames, [])

    def frames(self, queue: str | None = None) -> Generator[list[Metric], None, None]:
        """What `stream` yields, those together that were measured together: the newest of all come first.

        Does not end. Where the API goes away once it has answered, it is sought again until it is back, and
        the stream goes on after what was heard last; only what refuses the badge or the queue ends it, or
        closing it.
        """
        address = "/stream" if queue is None else path("stream", queue)
        last_id, received, failures = "", False, 0
        while True:
            try:
                with self._wire.listening(address, silence=SILENCE_SECONDS, last_id=last_id) as chunks:
                    received = True
                    for frame in frames.read(chunks, last_id):
                        last_id, failures = frame.id, 0
                        if frame.event == "metrics":
                            yield [record(Metric, metric) for metric in json.loads(frame.data)["metrics"]]
            except (Unavailable, TooManyRequests):
                if not received:
                    raise
            failures += 1
            time.sleep(jitter(failures))

    def on_metric(self, name: str, callback: Callback, queue: str | None = None) -> None:
        """Have `listen` call `callback` with every new value of a metric, of one queue or of each."""
        self._callbacks.append((name, queue, callback))

    def listen(self) -> None:
        """Call the callbacks as measurements come. Does not end; what a callback raises ends it."""
        queues = {queue for _, queue, _ in self._callbacks}
        for metric in self.stream(queues.pop() if len(queues) == 1 else None):
            for name, queue, callback in self._callbacks:
                if name == metric.name and queue in (None, metric.queue):
                    callback(metric)

    def incidents(
        self, *states: str, queue: str | None = None, limit: int | None = None, zone: str | None = None
    ) -> Iterator[Incident]:
        """The incidents in these states (all without any), newest first."""
        size = PAGE if limit is None else max(min(limit, PAGE), 1)
        documents = self._wire.pages(
            "/incidents", "incidents", state=list(states), queue=queue, limit=size, zone=zone
        )
        return (record(Incident, document) for document in itertools.islice(documents, limit))

    def incident(self, ref: str | int, *, zone: str | None = None) -> IncidentWithTimeline:
        """One incident with its history and texts, by its number or its reference. Raises NotFound."""
        return record(IncidentWithTimeline, self._wire.get(path("incidents", ref), zone=zone))

    def acknowledge(self, ref: str | int, *, reason: str | None = None) -> Incident:
        """Say that somebody is at it: nobody else is called for a while."""
        return record(Incident, self._wire.post(path("incidents", ref, "ack"), {"reason": reason}))

    def resolve(self, ref: str | int, *, reason: str | None = None) -> Incident:
        """Say that it is over."""
        return record(Incident, self._wire.post(path("incidents", ref, "resolve"), {"reason": reason}))

    def comment(self, ref: str | int, text: str) -> Incident:
        """Say something about an incident, for its history."""
        return record(Incident, self._wire.post(path("incidents", ref, "comments"), {"text": text}))

    def late_jobs(self, ref: str | int, *, order: str = "deadline") -> Iterator[LateJob]:
        """All jobs that were late in an incident, by `deadline`, `late`, `key`, `name` or `status`."""
        documents = self._wire.pages(path("incidents", ref, "jobs"), "jobs", order=order, limit=PAGE)
        return (record(LateJob, document) for document in documents)

    def silences(self) -> list[Silence]:
        """The silences that are in force or to come."""
        return [record(Silence, silence) for silence in self._wire.get("/silences")["silences"]]

    def silence(
        self,
        until: datetime,
        *,
        reason: str,
        rule: str | None = None,
        queue: str | None = None,
        since: datetime | None = None,
    ) -> Silence:
        """Have new incidents of a rule, in a queue (without one: of any), call nobody until `until`."""
        document: dict[str, Any] = {"rule": rule, "queue": queue, "endsAt": stamp(until), "reason": reason}
        document["startsAt"] = since and stamp(since)
        given = {name: value for name, value in document.items() if value is not None}
        return record(Silence, self._wire.post("/silences", given))

    def end_silence(self, silence: int, *, reason: str | None = None) -> Silence:
        """End a silence before its time. Raises NotFound."""
        return record(Silence, self._wire.post(path("silences", silence, "end"), {"reason": reason}))

    def oncall(self) -> OnCall:
        """The on-call document in force, and who is on call now."""
        return record(OnCall, self._wire.get("/oncall"))

    def set_oncall(self, document: Mapping[str, Any], *, reason: str | None = None) -> OnCall:
        """Put another on-call document in force. Raises InvalidRequest with every fault of it."""
        return record(OnCall, self._wire.put("/oncall", {"document": document, "reason": reason}))

    def thresholds(self) -> list[Threshold]:
        """The thresholds of all rules."""
        return [record(Threshold, threshold) for threshold in self._wire.get("/thresholds")["thresholds"]]

    def set_threshold(
        self,
        rule: str,
        parameter: str,
        value: float | None,
        *,
        queue: str | None = None,
        reason: str | None = None,
    ) -> Threshold:
        """Change what a rule compares with, in one queue or in all; None is back to the default."""
        document = {"value": value, "queue": queue, "reason": reason}
        return record(Threshold, self._wire.put(path("thresholds", rule, parameter), document))

    def status(self) -> Status:
        """Whether people are called, and whether anybody would be reached."""
        return record(Status, self._wire.get("/ops"))

    def texts(
        self, *, incident: str | int | None = None, job: str | None = None, limit: int = 50
    ) -> list[Text]:
        """The last texts about an incident, to the applicant of a job, or all; the newest first."""
        answer = self._wire.get("/texts", incident=incident, job=job, limit=limit)
        return [record(Text, text) for text in answer["texts"]]

    def add_webhook(
        self,
        name: str,
        url: str,
        events: Sequence[str],
        *,
        queue: str | None = None,
        job_type: str | None = None,
        reason: str | None = None,
    ) -> NewWebhook:
        """Have an address hear of events from now on; only the answer has their secret."""
        document = {"name": name, "url": url, "events": list(events), "queue": queue, "type": job_type}
        return record(NewWebhook, self._wire.post("/webhooks", {**document, "reason": reason}))

    def webhooks(self) -> list[Webhook]:
        """All webhooks, by name."""
        return [record(Webhook, webhook) for webhook in self._wire.get("/webhooks")["webhooks"]]

    def webhook(self, name: str) -> Webhook:
        """One webhook. Raises NotFound."""
        return record(Webhook, self._wire.get(path("webhooks", name)))

    def pause_webhook(self, name: str, *, reason: str | None = None) -> Webhook:
        """Keep the events of a webhook back until it is resumed."""
        return record(Webhook, self._wire.post(path("webhooks", name, "pause"), {"reason": reason}))

    def resume_webhook(self, name: str, *, reason: str | None = None) -> Webhook:
        """Let the events of a webhook go, those that wait at once."""
        return record(Webhook, self._wire.post(path("webhooks", name, "resume"), {"reason": reason}))

    def remove_webhook(self, name: str, *, reason: str | None = None) -> Webhook:
        """Remove a webhook; the events that wait for it are dropped."""
        return record(Webhook, self._wire.post(path("webhooks", name, "remove"), {"reason": reason}))

    def webhook_deliveries(
        self, name: str, *states: str, limit: int | None = None
    ) -> Iterator[WebhookDelivery]:
        """The events for a webhook in these states (all without any) with their attempts, newest first."""
        size = PAGE if limit is None else max(min(limit, PAGE), 1)
        address = path("webhooks", name, "deliveries")
        documents = self._wire.pages(address, "deliveries", state=list(states), limit=size)
        return (record(WebhookDelivery, document) for document in itertools.islice(documents, limit))

    def test_webhook(self, name: str, *, reason: str | None = None) -> WebhookDelivery:
        """Send an event to a webhook that only shows that events arrive."""
        return record(WebhookDelivery, self._wire.post(path("webhooks", name, "test"), {"reason": reason}))

    def resend(self, name: str, delivery: int, *, reason: str | None = None) -> WebhookDelivery:
        """Send an event to a webhook again, with the same id."""
        address = path("webhooks", name, "deliveries", delivery, "resend")
        return record(WebhookDelivery, self._wire.post(address, {"reason": reason}))

    def send_sms(self, phone: str, text: str, *, key: str | None = None) -> str:
        """Have a text sent, which waits in the outbox like every other; return its token.

        With a `key` it is one text however often it is asked for, so that it can be tried again. Raises
        TooManyRequests where a phone gets too many.
        """
        document = {"to": phone, "text": text} | ({"key": key} if key else {})
        return str(self._wire.post("/texts", document, safe=key is not None)["token"])

    def test_page(
        self, phone: str | None = None, *, channel: str | None = None, reason: str | None = None
    ) -> str:
        """Have a page sent to a phone or a channel that only shows that pages arrive; return its token."""
        document = {"to": phone, "channel": channel, "reason": reason}
        return str(self._wire.post("/test-pages", document)["token"])
