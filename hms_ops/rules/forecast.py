"""Rule: jobs will miss their deadline, by the forecast."""

from __future__ import annotations

from collections.abc import Mapping

from hms_ops.findings import Finding, Key
from hms_ops.forecast.cause import document
from hms_ops.forecast.snapshot import QueueSnapshot, Snapshot
from hms_ops.rules.limits import Limits

NAME = "forecast"
TITLE = "Jobs will be late"
#: At least so many `jobs` will be late, and some of them with this `chance`: on simulated mornings a fifth
#: fewer calls come to nothing than by throughput alone, and nearly as many are in time (docs/order.md).
DEFAULTS: Mapping[str, float] = {"for_seconds": 30, "clear_seconds": 120, "jobs": 1, "chance": 0.7}
#: From this chance on what has begun is not over.
LIKELY = 0.5


def judge(snapshot: Snapshot, limits: Limits) -> list[Finding]:
    """Queues whose open jobs will be late if nothing changes, paused ones too; the value is how many.

    A forecast that is not trusted calls nobody. Where it is not known how works vary, the throughput alone
    decides.
    """
    judged = (_judge(queue, limits) for queue in snapshot.queues)
    return [finding for finding in judged if finding is not None]


def unknown(snapshot: Snapshot) -> list[Key]:
    """Queues with work whose throughput is not known, or whose jobs are rather late than not.

    The throughput is not known after a new start, until enough jobs are finished.
    """
    return [
        (NAME, queue.name, None)
        for queue in snapshot.queues
        if queue.waiting + queue.queued + queue.running and not _is_clear(queue)
    ]


def _is_clear(queue: QueueSnapshot) -> bool:
    forecast = queue.forecast
    if forecast is None or not forecast.trusted:
        return False
    return not forecast.late or forecast.late_chance is None or forecast.late_chance < LIKELY


def _judge(queue: QueueSnapshot, limits: Limits) -> Finding | None:
    forecast = queue.forecast
    if forecast is None or not forecast.trusted or forecast.late < max(1, limits("jobs", queue.name)):
        return None
    if forecast.late_chance is not None and forecast.late_chance < limits("chance", queue.name):
        return None
    return Finding(
        NAME,
        queue.name,
        forecast.late,
        late_jobs=forecast.late,
        facts={
            "late": forecast.late,
            "first_late": forecast.first_late and forecast.first_late.isoformat(),
            "deadline": forecast.deadline and forecast.deadline.isoformat(),
            "done_at": forecast.done_at and forecast.done_at.isoformat(),
            "chance": forecast.late_chance,
            "riskiest": forecast.riskiest and forecast.riskiest.isoformat(),
            "rate": forecast.rate,
            "slots": queue.slots,
            "slots_needed": forecast.slots_needed,
            "paused": queue.paused_at is not None,
            "given_up": queue.given_up,
            "given_up_since": queue.given_up_since and queue.given_up_since.isoformat(),
            "cause": document(queue.cause),
        },
    )
