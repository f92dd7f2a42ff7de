"""The feed: one thread reads the board once a second while anybody looks, and every page shows that one.

The last five minutes are kept beside it for the short charts; the day's are in the ledger.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field

from sqlalchemy import Engine

from hms_floor import board
from hms_floor.board import Board, Card
from hms_oms import outbox
from hms_oms.outbox import Text
from hms_ops import incidents
from hms_ops.incidents import Incident

log = logging.getLogger(__name__)

#: How often the board is read, in seconds.
EVERY_SECONDS = 1.0
#: Nobody has looked for this long, in seconds: the feed rests.
REST_SECONDS = 330.0
#: How long the short charts reach back, in seconds, and how far apart their points are.
REACH_SECONDS = 300.0
STEP_SECONDS = 5.0
#: Texts on the little handset.
TEXTS = 6


@dataclass(frozen=True, slots=True)
class View:
    """What all pages see: the board, what is wrong, and the last texts; `number` counts up with each."""

    number: int
    board: Board
    incidents: list[Incident]
    texts: list[Text]
    taken: float


@dataclass
class _Feed:
    engine: Engine | None = None
    view: View | None = None
    asked: float = 0.0
    awake: threading.Event = field(default_factory=threading.Event)
    trail: dict[str, deque[tuple[float, Card]]] = field(default_factory=dict)
    failing: str | None = None


_feed = _Feed()


def start(engine: Engine) -> None:
    """Begin to feed the pages of this process."""
    _feed.engine = engine
    threading.Thread(target=_run, name="feed", daemon=True).start()


def look() -> View | None:
    """The newest view; None before the first. Asking keeps the feed going."""
    _feed.asked = time.monotonic()
    _feed.awake.set()
    return _feed.view


def trail(queue: str) -> list[tuple[float, Card]]:
    """A queue in the last five minutes: (seconds since the epoch, card), oldest first."""
    return list(_feed.trail.get(queue, ()))


def reach() -> tuple[float, float] | None:
    """The stretch of the short charts, in milliseconds since the epoch."""
    if _feed.view is None:
        return None
    now = 1000 * _feed.view.board.now.timestamp()
    return now - 1000 * REACH_SECONDS, now


def age() -> float | None:
    """How many seconds old the newest view is."""
    return None if _feed.view is None else time.monotonic() - _feed.view.taken


def _run() -> None:
    while True:
        if time.monotonic() - _feed.asked > REST_SECONDS:
            _feed.awake.clear()
            _feed.awake.wait()
        started = time.monotonic()
        try:
            _take()
            _feed.failing = None
        except Exception as error:
            # The pages show that their view grows old; one line in the log is enough for an outage.
            if _feed.failing != type(error).__name__:
                log.exception("the board cannot be read")
            _feed.failing = type(error).__name__
        time.sleep(max(0.05, EVERY_SECONDS - (time.monotonic() - started)))


def _take() -> None:
    assert _feed.engine is not None
    with _feed.engine.connect() as connection:
        seen = board.read(connection)
        wrong = incidents.find(connection, limit=20)
        texts = outbox.texts_of(connection, limit=TEXTS)
    number = _feed.view.number + 1 if _feed.view else 1
    moment = seen.now.timestamp()
    for card in seen.cards:
        points = _feed.trail.setdefault(card.name, deque(maxlen=int(REACH_SECONDS / STEP_SECONDS) + 1))
        if not points or moment - points[-1][0] >= STEP_SECONDS - 0.5:
            points.append((moment, card))
    _feed.view = View(number, seen, wrong, texts, time.monotonic())
