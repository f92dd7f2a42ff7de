"""The kinds of events, and an event as a CloudEvent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

#: Every kind that a webhook may ask for, and when it happens.
EVENTS: Mapping[str, str] = {
    "job.done": "a job is done",
    "job.failed": "a job has failed for good",
    "job.cancelled": "a job was cancelled",
    "job.late": "a job is past its deadline and not done",
    "cycle.ended": "all requests of a cycle have come in, and no job of it is open",
    "cycle.late": "the first job of a cycle is late",
}
#: What `hms webhook test` sends.
TEST = "webhook.test"
CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"


def body(
    *, source: str, event_id: str, event: str, subject: str, at: datetime, data: Mapping[str, Any]
) -> bytes:
    """A CloudEvent 1.0 in structured mode; the same event is the same bytes each time."""
    document = {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": f"hms.{event}",
        "subject": subject,
        "time": at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "datacontenttype": "application/json",
        "data": data,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
