"""The headline: are we meeting our deadlines, and if not, what is late and what would help? One sentence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from hms_floor.presentation.overview import Board, Card
from hms_oms.runtime import format
from hms_ops.forecast import advice


@dataclass(frozen=True, slots=True)
class Verdict:
    """A light (one of board.LIGHTS), what there is to say, and the late queue that it is said of."""

    light: str
    words: str
    queue: str | None = None


def verdict(board: Board, zone: tzinfo, incidents: int = 0) -> Verdict:
    """What the board comes to, with so many open incidents.

    Times are told in `zone`.
    """
    if board.silent is None:
        return Verdict("unknown", "Cannot tell: the watch has never been heard. Is `hms ops run` up?")
    if board.blind:
        return Verdict("unknown", f"Cannot tell: the watch has been silent for {format.about(board.silent)}.")
    if not board.cards:
        return Verdict("idle", "There is no queue yet.")
    for light, tell in (("broken", _broken), ("risk", _risk), ("unknown", _unknown)):
        cards = [card for card in board.cards if card.light == light]
        if cards:
            worst = None if light == "unknown" else _worst(cards).name
            return Verdict(light, tell(cards, zone), worst)
    return _holding(board.cards, zone, incidents)


def queue_verdict(card: Card, zone: tzinfo) -> str:
    """One queue in one sentence."""
    tell = {"broken": _broken, "risk": _risk, "unknown": _unknown}.get(card.light)
    if tell is not None:
        return tell([card], zone)
    if card.paused_at is not None:
        why = f" ({card.pause_reason})" if card.pause_reason else ""
        return f"Paused by {card.paused_by} at {_clock(card.paused_at, zone)}{why}."
    if not card.open:
        return "No job is open."
    return _ahead(card, zone)


def _worst(cards: Sequence[Card]) -> Card:
    """The one with the most late jobs, or of which the most will be late."""
    return max(cards, key=lambda card: card.late or card.at_risk or 0)


def _broken(cards: Sequence[Card], zone: tzinfo) -> str:
    worst = _worst(cards)
    words = f"{_jobs(worst.late or 0)} of {worst.name} {_are(worst.late or 0)} late"
    if worst.at_risk:
        words += f", {worst.at_risk:,} more will be"
    if worst.done_at is not None and worst.paused_at is None and not worst.stopped:
        words += f", the last one done by {_clock(worst.done_at, zone)}"
    return words + _others(cards) + _help(worst, zone)


def _risk(cards: Sequence[Card], zone: tzinfo) -> str:
    worst = _worst(cards)
    since = f" from {_clock(worst.late_from, zone)} on" if worst.late_from else ""
    return (
        f"{_jobs(worst.at_risk or 0)} of {worst.name} will be late{since}{_others(cards)}{_help(worst, zone)}"
    )


def _unknown(cards: Sequence[Card], _: tzinfo) -> str:
    return f"Cannot tell: {_named(cards)} {_has(len(cards))} not been measured lately."


def _holding(cards: Sequence[Card], zone: tzinfo, incidents: int) -> Verdict:
    open_ones = [card for card in cards if card.open]
    paused = [card for card in cards if card.paused_at is not None]
    everything = "The queue is on track" if len(cards) == 1 else f"All {len(cards)} queues are on track"
    held = f"; {_named(paused)} {_is(len(paused))} paused" if paused else ""
    if incidents:
        held += f"; {incidents:,} open incident{'s' if incidents > 1 else ''}"
    if not open_ones:
        return Verdict("holds" if not paused else "paused", f"{everything}{held}. No job is open.")
    busiest = max(open_ones, key=lambda card: card.open)
    return Verdict("holds", f"{everything}{held}. {busiest.name}: {_ahead(busiest, zone)}")


def _ahead(card: Card, zone: tzinfo) -> str:
    counts = {"ready": card.backlog, "delayed": card.delayed, "queued": card.window, "running": card.running}
    counts["held"] = card.held
    words = ", ".join(f"{number:,} {state}" for state, number in counts.items() if number)
    if card.stopped:
        words += ", nothing is handed out"
    elif card.done_at is not None:
        words += f", the last one done by {_clock(card.done_at, zone)}"
        if card.last_due is not None:
            words += f", due {_clock(card.last_due, zone)}"
    return f"{words}."


def _help(card: Card, zone: tzinfo) -> str:
    cause = card.cause
    if cause is None:
        return "."
    return f"; {advice.sentence(cause, lambda when: _clock(when, zone))}."


def _others(cards: Sequence[Card]) -> str:
    return f" ({len(cards) - 1} more queue{'s' if len(cards) > 2 else ''} too)" if len(cards) > 1 else ""


def _named(cards: Sequence[Card]) -> str:
    names = [card.name for card in cards]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _jobs(number: int) -> str:
    return f"{number:,} job{'s' if number != 1 else ''}"


def _are(number: int) -> str:
    return "are" if number != 1 else "is"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _has(number: int) -> str:
    return "has" if number == 1 else "have"


def _clock(when: datetime, zone: tzinfo) -> str:
    return format.hour(when, zone)
