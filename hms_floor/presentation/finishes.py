"""When a job of a queue's backlog will be done, as the forecast has it; or why that cannot be told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hms_floor.presentation.overview import Card


@dataclass(frozen=True, slots=True)
class Finish:
    """When a job will be done; with `at_best` not sooner than that, but perhaps later."""

    at: datetime
    at_best: bool = False


def finish(position: int, card: Card, now: datetime) -> Finish | None:
    """When the job at `position` (the first is 1) will be done; None if that cannot be told: see `unknown`.

    The queue is drained as is forecast. While its throughput is not known a limit of starts still says when
    the job can start at best.
    """
    if not card.open or unknown(card) is not None:
        return None
    if card.done_at is not None:
        ahead = position + (card.window or 0) + (card.running or 0)
        at_work = card.open - (card.held or 0)
        return Finish(now + min(1.0, ahead / max(1, at_work)) * (card.done_at - now))
    assert card.starts_per_minute
    return Finish(now + timedelta(minutes=position / card.starts_per_minute), at_best=True)


def unknown(card: Card) -> str | None:
    """Why nobody can tell when its jobs will be done, in a sentence; None if it can be told."""
    if not card.fresh:
        return "When they will be done cannot be told: the queue has not been measured lately."
    if card.stopped:
        why = f"Redis {card.refused}" if card.refused else "the dispatcher is silent"
        return f"When they will be done cannot be told: nothing is handed out, {why}."
    if card.paused_at is not None:
        return "When they will be done cannot be told while the queue is paused."
    if card.window_size == 0 or card.starts_per_minute == 0:
        return "None of them will be done: the limit lets no job start."
    if not card.workers and not card.agents:
        return "None of them will be done: no worker serves the queue."
    if card.done_at is None and not card.starts_per_minute:
        return "When they will be done cannot be told yet: no job of the queue was done lately."
    return None
