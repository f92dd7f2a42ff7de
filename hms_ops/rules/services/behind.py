"""Rule: the watch itself looks too late, or does not hear its workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from hms_ops.findings import Finding, Key
from hms_ops.forecast.snapshot import Snapshot
from hms_ops.rules.limits import Limits

NAME = "behind"
TITLE = "The watch is behind"
#: Between two looks there may be so many `seconds`; workers that have work may be silent for
#: `silent_seconds` (idle or not, they say every two seconds that they live).
DEFAULTS: Mapping[str, float] = {"seconds": 10, "silent_seconds": 60}

#: The subject of the finding that workers are not heard.
EVENTS = "events"


def judge(snapshot: Snapshot, limits: Limits) -> list[Finding]:
    """The watch if it looked too long ago, and its hearing; the value is the time between in seconds."""
    return [*_looks(snapshot, limits("seconds", None)), *_events(snapshot, limits("silent_seconds", None))]


def unknown(snapshot: Snapshot) -> list[Key]:
    """The hearing, while nothing was heard since the start."""
    return [(NAME, None, EVENTS)] if snapshot.events_at is None and _has_news(snapshot) else []


def _looks(snapshot: Snapshot, seconds: float) -> Iterator[Finding]:
    if snapshot.looked_before is not None:
        between = (snapshot.now - snapshot.looked_before).total_seconds()
        if between > seconds:
            yield Finding(
                NAME, None, between, facts={"seconds": between, "looked": snapshot.looked_before.isoformat()}
            )


def _events(snapshot: Snapshot, seconds: float) -> Iterator[Finding]:
    if snapshot.events_at is None or not _has_news(snapshot):
        return
    silent = (snapshot.now - snapshot.events_at).total_seconds()
    if silent > seconds:
        yield Finding(
            NAME,
            None,
            silent,
            subject=EVENTS,
            facts={"silent_seconds": silent, "events_at": snapshot.events_at.isoformat()},
        )


def _has_news(snapshot: Snapshot) -> bool:
    """Whether some live worker has work that it should be heard of; by Redis, if that answers."""
    redis = snapshot.broker
    if redis is not None and redis.refusal is not None:
        return False
    return any(queue.workers and queue.queued + queue.running for queue in snapshot.queues)
