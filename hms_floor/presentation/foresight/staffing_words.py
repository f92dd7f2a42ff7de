"""Words for how many workers a queue needs, for pages and the command line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from hms_floor.presentation.foresight import effect_words
from hms_oms.runtime import format


def needed(forecast: Mapping[str, Any], at: Callable[[datetime], str]) -> str:
    """How many workers keep the deadlines of the open jobs, as the API answers it, in a sentence."""
    if forecast["present"] is None:
        return effect_words.UNKNOWN
    if not forecast["workersNeeded"]:
        return "No job that waits has a deadline that workers could keep."
    deadline = datetime.fromisoformat(forecast["deadline"])
    average, sure = forecast["workersNeeded"], forecast["workersSure"]
    keep = "keeps" if average == 1 else "keep"
    sure_words = _workers(sure, forecast["slotsSure"])
    words = (
        f"{_workers(average, forecast['slotsNeeded'])} {keep} each deadline that can be kept on average,"
        f" {sure_words} in 95 of 100 cases; the deadline that asks for the most is {at(deadline)}."
    )
    present = forecast["present"]
    if present["outlook"]["late"] and present["workers"] >= sure:
        words += " That many are there: what will be late is held back by something else."
    return words


def told(staffing: Mapping[str, Any], at: Callable[[datetime], str]) -> str:
    """How open jobs fare with some workers, as the API answers it, in a sentence."""
    workers, done = _workers(staffing["workers"], staffing["slots"]), staffing["doneAt"]
    fares = effect_words.fares(staffing["outlook"])
    if not staffing["outlook"]["open"]:
        return f"With {workers}: {fares}."
    end = "never all done" if done is None else f"all done at {at(datetime.fromisoformat(done))}"
    return f"With {workers}: {fares}, {end}."


def done_by(forecast: Mapping[str, Any], at: Callable[[datetime], str]) -> str:
    """When the line of a queue is done, as the API answers it, in a sentence or two; nothing if unknown."""
    ahead = forecast.get("doneBy")
    if ahead is None:
        return ""
    median, latest = (at(datetime.fromisoformat(ahead[name])) for name in ("median", "latest"))
    words = (
        f"The last job in line, {ahead['job']}, is as likely done before {median} as after it,"
        f" and by {latest} in 95 of 100 cases"
    )
    settled = format.count(ahead["learntFrom"], "settled forecast")
    if ahead["isLearnt"]:
        return f"{words}: learnt from {settled}."
    return f"{words}: by how works vary, since only {settled} {_is(ahead['learntFrom'])} there to learn from."


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _workers(workers: int, slots: int) -> str:
    return f"{format.count(workers, 'worker')} ({format.count(slots, 'slot')})"
