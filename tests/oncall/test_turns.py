"""Who is called tonight, by the clock on the wall of the document."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hms_floor.presentation.oncall import night_words
from hms_ops.oncall import oncall, turns

CHICAGO = ZoneInfo("America/Chicago")
MINUTE = timedelta(minutes=1)
DAYS = list(oncall.DAYS)


def rota(**more: Any) -> oncall.Document:
    """Ada by day, Grace by night; a step later everybody."""
    shifts = [
        {"name": "day", "days": DAYS, "from": "07:00", "until": "19:00", "recipient": "ada"},
        {"name": "night", "days": DAYS, "from": "19:00", "until": "07:00", "recipient": "grace"},
    ]
    document = {
        "timezone": "America/Chicago",
        "recipients": {"ada": "+12025550143", "grace": {"channel": "ops-slack"}},
        "shifts": shifts,
        "steps": [
            {"after_minutes": 0, "notify": ["shift:day", "shift:night"]},
            {"after_minutes": 10, "notify": ["ada", "grace"]},
        ],
    }
    return oncall.validated({**document, **more})


def said(document: oncall.Document, now: datetime) -> str:
    """Tonight in words, with times of Chicago."""
    night = [(turn.ends, turn.names) for turn in turns.tonight(document, now)]
    return night_words.tonight(night, lambda when: f"{when.astimezone(CHICAGO):%a %H:%M}")  # type: ignore[union-attr]


def now_said(document: oncall.Document, now: datetime) -> str:
    """Who is called now, in words, with times of Chicago."""
    names = turns.turns(document, now, now + MINUTE)[0].names
    following = turns.following(document, now)
    turn = (following.begins, following.names) if following else None
    return night_words.now(names, turn, lambda when: f"{when.astimezone(CHICAGO):%a %H:%M}")  # type: ignore[union-attr]


@pytest.mark.parametrize("hour", [9, 17, 23])
def test_tonight_is_the_night_that_comes(hour: int) -> None:
    """From the evening until the morning, whatever the time of day."""
    now = datetime(2026, 7, 1, hour, tzinfo=CHICAGO)
    assert said(rota(), now) == "Tonight: ada until Wed 19:00, then grace."


def test_before_the_morning_it_is_the_night_that_goes_on() -> None:
    """At five o'clock nobody thinks of the next evening."""
    now = datetime(2026, 7, 1, 5, tzinfo=CHICAGO)
    assert said(rota(), now) == "Tonight: ada until Tue 19:00, then grace."


def test_nobody_and_the_next_step() -> None:
    """Where the first step has nobody, the next one is called at once; hours without anybody are said."""
    late = {"name": "night", "days": DAYS, "from": "22:00", "until": "02:00", "recipient": "grace"}
    alone = rota(shifts=[late], steps=[{"after_minutes": 0, "notify": ["shift:night"]}])
    now = datetime(2026, 7, 1, 12, tzinfo=CHICAGO)
    assert said(alone, now) == "Tonight: nobody until Wed 22:00, grace until Thu 02:00, then nobody."
    both = rota(shifts=[late], steps=[*alone["steps"], {"after_minutes": 5, "notify": ["ada", "grace"]}])
    assert said(both, now) == (
        "Tonight: ada and grace until Wed 22:00, grace until Thu 02:00, then ada and grace."
    )
    always = rota(shifts=[], steps=[{"after_minutes": 0, "notify": ["ada"]}])
    assert said(always, now) == "Tonight ada is called."


@pytest.mark.parametrize(
    ("hour", "says"),
    [
        (9, "Now: ada until Wed 19:00, then grace."),
        (20, "Now: grace until Thu 07:00, then ada."),
        (2, "Now: grace until Wed 07:00, then ada."),
    ],
)
def test_who_is_called_now_and_until_when(hour: int, says: str) -> None:
    """Until others are called first, whatever the time of day."""
    now = datetime(2026, 7, 1, hour, tzinfo=CHICAGO)
    assert now_said(rota(), now) == says


def test_those_who_are_always_called() -> None:
    """Without another turn in a week there is no until; nobody is called nobody."""
    now = datetime(2026, 7, 1, 12, tzinfo=CHICAGO)
    assert (
        now_said(rota(shifts=[], steps=[{"after_minutes": 0, "notify": ["ada"]}]), now)
        == "Now ada is called."
    )
    weekly = [{"name": "rare", "days": ["mon"], "from": "08:00", "until": "09:00", "recipient": "grace"}]
    rare = rota(shifts=weekly, steps=[{"after_minutes": 0, "notify": ["shift:rare"]}])
    assert now_said(rare, now) == "Now: nobody until Mon 08:00, then grace."


def test_a_night_on_which_the_clock_is_changed() -> None:
    """It is an hour longer, and nobody is left out."""
    now = datetime(2026, 10, 31, 20, tzinfo=CHICAGO)
    night = turns.tonight(rota(), now)
    assert (night[-1].ends - night[0].begins).total_seconds() == 13 * 3600
    assert night[0].begins == datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert [turn.names for turn in night] == [("ada",), ("grace",)]
