"""One queue on one page: how it stands, what limits it, and what was given up."""

from __future__ import annotations

from datetime import datetime

from rich.text import Text

from hms_floor.cli.terminal import show
from hms_oms.documents.queues import Queue
from hms_oms.jobs.states import WORDS
from hms_oms.runtime import format
from hms_ops.forecast import order_words


def facts(queue: Queue, now: datetime) -> list[tuple[str, str | Text]]:
    """Everything that is known of a queue."""
    limit = queue.starts_per_minute
    rows: list[tuple[str, str | Text | None]] = [
        ("queue", queue.name),
        ("status", show.status("paused" if queue.paused_at else "open")),
        *((word, f"{getattr(queue, name):,}") for name, word in WORDS.items()),
        ("late", show.count(queue.late, show.STYLES["late"])),
        ("given up", given_up(queue, now)),
        ("policy", f"{queue.policy}: {order_words.MEANING[queue.policy]}"),
        ("policy set", _policy_set(queue, now)),
        ("SLA", show.minutes(queue.sla_minutes) if queue.sla_minutes else None),
        ("office hours", queue.calendar),
        ("next due", show.moment(queue.next_sla, now)),
        ("oldest", show.about(now - queue.oldest_waiting) if queue.oldest_waiting else None),
        ("starts", "no limit" if limit is None else f"{limit:,} a minute at most"),
        ("window", "as the workers need it" if queue.window is None else f"{queue.window:,} jobs at most"),
        ("at once", "no limit" if queue.at_once is None else f"{queue.at_once:,} jobs at most"),
        (
            "workers",
            f"{format.count(queue.workers, 'worker')} with {format.slots(queue.slots, queue.slots_lost)}",
        ),
    ]
    rows += [("starts nothing", host) for host in queue.held_hosts]
    return [(name, value) for name, value in rows if value]


def _policy_set(queue: Queue, now: datetime) -> str | None:
    if queue.policy_set_at is None:
        return None
    return f"{show.moment(queue.policy_set_at, now)} by {queue.policy_set_by}"


def given_up(queue: Queue, now: datetime) -> str:
    """How many jobs are given up, since when and why."""
    if not queue.given_up:
        return "none"
    since = f" since {show.local(queue.given_up_since, now)}" if queue.given_up_since else ""
    why = f": {queue.given_up_because}" if queue.given_up_because else ""
    return f"{queue.given_up:,}{since}{why}"
