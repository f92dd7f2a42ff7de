"""The feed: one thread reads the board twice a second while anybody looks, and every page shows that one.

The last five minutes are kept beside it for charts of them, begun from what the ledger has of them.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo

from sqlalchemy import Connection, Engine

from hms_floor.pages.live import capacity
from hms_floor.presentation import overview as board
from hms_floor.presentation.overview import Board
from hms_floor.presentation.past import points, recent
from hms_floor.presentation.past.points import Point
from hms_oms.cycles import cycles
from hms_oms.documents.cycles import Cycle, CycleProgress, TextCounts
from hms_oms.documents.messages import Text
from hms_oms.messages import outbox
from hms_oms.runtime import clock
from hms_ops.incidents import actions as incidents
from hms_ops.incidents.actions import Incident

log = logging.getLogger(__name__)

#: How often the board is read, in seconds ...
EVERY_SECONDS = 0.5
#: ... and what changes less, or costs more.
SLOW_SECONDS = 10.0
#: How often the newest cycle is read, in seconds, while somebody looks at it.
CYCLE_SECONDS = 2.0
#: Nobody has looked for this long, in seconds: the feed rests.
REST_SECONDS = 330.0
#: How long the shortest charts reach back, in seconds, and how far apart their points are.
REACH_SECONDS = 300.0
STEP_SECONDS = 5.0
#: Pages on the little handset.
PAGES = 5


@dataclass(frozen=True, slots=True)
class View:
    """What all pages see: the board, what is wrong, the last pages; `number` counts up with each.

    `applicant_texts` are the texts to applicants of the office's day.
    """

    number: int
    board: Board
    incidents: list[Incident]
    pages: list[Text]
    applicant_texts: TextCounts
    taken: float


@dataclass
class _Feed:
    engine: Engine | None = None
    office: tzinfo = UTC
    view: View | None = None
    asked: float = 0.0
    awake: threading.Event = field(default_factory=threading.Event)
    trail: dict[str, deque[Point]] = field(default_factory=dict)
    applicant_texts: TextCounts = field(default_factory=TextCounts)
    texts_at: float = float("-inf")
    cycle: tuple[Cycle, CycleProgress] | None = None
    cycle_asked: float = float("-inf")
    cycle_at: float = float("-inf")
    failing: str | None = None


_feed = _Feed()


def start(engine: Engine, office: tzinfo) -> None:
    """Begin to feed the pages of this process; its today is that of `office`."""
    _feed.engine, _feed.office = engine, office
    threading.Thread(target=_run, name="feed", daemon=True).start()


def look() -> View | None:
    """The newest view; None before the first. Asking keeps the feed going."""
    _feed.asked = time.monotonic()
    _feed.awake.set()
    return _feed.view


def trail(queue: str) -> Sequence[Point]:
    """A queue in the last five minutes, oldest first."""
    return list(_feed.trail.get(queue, ()))


def cycle() -> tuple[Cycle, CycleProgress] | None:
    """The newest cycle and how it stands; None if there is none yet. It is read while somebody asks."""
    _feed.cycle_asked = time.monotonic()
    return _feed.cycle


def reach() -> tuple[datetime, datetime] | None:
    """From when until when the last minutes reach."""
    if _feed.view is None:
        return None
    now = _feed.view.board.now
    return now - timedelta(seconds=REACH_SECONDS), now


def age() -> float | None:
    """How many seconds old the newest view is."""
    return None if _feed.view is None else time.monotonic() - _feed.view.taken


def due(queue: str, jobs: int) -> Sequence[tuple[datetime, int]]:
    """How many open jobs of a queue are due by when, read now; not for the event loop."""
    with connect() as connection:
        return capacity.due(connection, queue, jobs)


def connect() -> Connection:
    """A connection to the ledger of this process."""
    assert _feed.engine is not None
    return _feed.engine.connect()


def _run() -> None:
    while True:
        if time.monotonic() - _feed.asked > REST_SECONDS:
            _feed.awake.clear()
            _feed.awake.wait()
            _feed.trail.clear()
            _feed.texts_at = float("-inf")
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
    started = time.monotonic()
    with _feed.engine.connect() as connection:
        overview = board.read(connection)
        wrong = incidents.find(connection, limit=20)
        pages = outbox.last_pages(connection, PAGES)
        if started - _feed.texts_at >= SLOW_SECONDS:
            midnight, _ = clock.day_of(overview.now, _feed.office)
            _feed.applicant_texts, _feed.texts_at = outbox.to_applicants(connection, since=midnight), started
        is_asked = started - _feed.cycle_asked < SLOW_SECONDS
        if is_asked and started - _feed.cycle_at >= CYCLE_SECONDS:
            _feed.cycle_at = started
            for newest in cycles.find(connection, limit=1):
                _feed.cycle = newest, cycles.progress(connection, newest.id)
        _remember(connection, overview)
    for card in overview.cards:
        trail = _feed.trail[card.name]
        if not trail or overview.now.timestamp() - trail[-1].at >= STEP_SECONDS - 0.5:
            trail.append(points.of(card, overview.now, trail[-1] if trail else None))
            while trail[0].at < overview.now.timestamp() - REACH_SECONDS - STEP_SECONDS:
                trail.popleft()
    number = _feed.view.number + 1 if _feed.view else 1
    _feed.view = View(number, overview, wrong, pages, _feed.applicant_texts, time.monotonic())


def _remember(connection: Connection, overview: Board) -> None:
    """Read the last minutes of every queue that is new."""
    until = overview.now + timedelta(seconds=1)
    for card in overview.cards:
        if card.name not in _feed.trail:
            lately = overview.now - timedelta(seconds=REACH_SECONDS)
            _feed.trail[card.name] = deque(recent.read(connection, card.name, lately, until))
