"""A job's life as a waterfall: for each attempt at a step, when it waited, stood in the window, and ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

#: What a job is doing between two lines of its event log, by its status after the first of them.
KINDS = {"waiting": "waiting", "queued": "queued", "running": "running"}
#: Waiting for an answer of the applicant, its clock standing.
HELD = "held"


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time: what the job did, from `start` for `seconds`."""

    kind: str
    start: datetime
    seconds: float
    worker: str | None


@dataclass(slots=True)
class Row:
    """One attempt at one step, with its bars in order."""

    step: str
    attempt: int
    bars: list[Bar] = field(default_factory=list)
    #: The part of the step that it is of; None if it is of the job itself.
    part: str | None = None
    #: How a part has ended, if not well.
    fate: str | None = None

    @property
    def worker(self) -> str | None:
        """Who ran it, where anybody did."""
        return next((bar.worker for bar in reversed(self.bars) if bar.worker), None)


def rows(timeline: Sequence[Mapping[str, Any]]) -> list[Row]:
    """The rows of a timeline as `GET /jobs/{id}` tells it, in the order of their beginning."""
    drawn: list[Row] = []
    is_held = False
    for line in timeline:
        # Until it goes on it stays held, whatever is done to it meanwhile.
        is_held = line["fact"] == HELD or (is_held and line["fact"] != "answered")
        kind = HELD if is_held and line["status"] == "waiting" else KINDS.get(line["status"])
        if kind is None:
            continue
        if not drawn or (drawn[-1].step, drawn[-1].attempt) != (line["step"], line["attempt"]):
            drawn.append(Row(line["step"], line["attempt"]))
        worker = line["who"] if line["fact"] in ("claimed", "reserved") else None
        bar = Bar(kind, _moment(line["at"]), line["seconds"], worker)
        drawn[-1].bars.append(bar)
    return drawn


def whole(document: Mapping[str, Any]) -> list[Row]:
    """The rows of a job as `GET /jobs/{id}` tells it, each step in parts followed by those that are shown."""
    parts = {step["step"]: _of_parts(step) for step in document["parts"]}
    drawn: list[Row] = []
    for row in reversed(rows(document["timeline"])):
        # Behind the last attempt at the step.
        drawn[:0] = [row, *parts.pop(row.step, ())]
    return drawn


def _of_parts(step: Mapping[str, Any]) -> list[Row]:
    """A row for each part of a step, with all attempts at it."""
    drawn = []
    for part in step["shown"]:
        attempts = rows(part["timeline"])
        bars = [bar for row in attempts for bar in row.bars]
        fate = part["status"] if part["status"] in ("failed", "cancelled") else None
        drawn.append(Row(part["name"], attempts[-1].attempt if attempts else 1, bars, part["id"], fate))
    return drawn


def span(timeline: Sequence[Mapping[str, Any]]) -> tuple[datetime, float]:
    """When a timeline begins, and how many seconds it covers; never none."""
    start = _moment(timeline[0]["at"])
    last = timeline[-1]
    seconds = (_moment(last["at"]) - start).total_seconds()
    if last["status"] in KINDS:
        seconds += last["seconds"]
    return start, max(seconds, 0.001)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
