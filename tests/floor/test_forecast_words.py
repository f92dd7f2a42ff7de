"""Words for when a line is done, and for how good the forecasts were; pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hms_floor.presentation.foresight import record_words, staffing_words
from hms_oms.api.codec import document
from hms_oms.documents.foresight import DoneBy
from hms_ops.documents.reports import ForecastRecord

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def told(learnt_from: int, *, is_learnt: bool) -> str:
    """The sentence about a line that is done within twenty minutes, or forty at the latest."""
    done_by = DoneBy(
        "job-219",
        NOON,
        NOON + timedelta(minutes=20),
        NOON + timedelta(minutes=40),
        learnt_from,
        is_learnt,
    )
    return staffing_words.done_by({"doneBy": document(done_by)}, lambda when: f"{when:%H:%M}")


def test_a_line_is_done_by_the_median_and_by_its_latest_end() -> None:
    """With what it is learnt from; before enough was settled, that is said."""
    begin = (
        "The last job in line, job-219, is as likely done before 12:20 as after it, and by 12:40 in 95 of 100"
        " cases"
    )
    assert told(1500, is_learnt=True) == f"{begin}: learnt from 1,500 settled forecasts."
    assert told(1, is_learnt=False) == (
        f"{begin}: by how works vary, since only 1 settled forecast is there to learn from."
    )
    assert staffing_words.done_by({"doneBy": None}, str) == ""


def test_a_record_has_its_evidence_beside_each_figure() -> None:
    """What nothing is known of is left empty, and is no zero."""
    record = ForecastRecord(NOON, 1200, 300, 0.0671, 1210, 0.947, 1.27, 5, 4, 840.0, 6, 2, 1)
    cells = dict(zip(record_words.HEADERS, record_words.row("shop", document(record)), strict=True))
    assert cells == {
        "Queue": "shop",
        "Settled": "1,200",
        "Brier score": "0.067",
        "Close calls": "300",
        "Latest ends kept": "94.7 %",
        "Latest ends": "1,210",
        "Over the time": "1.27",
        "Breaches": "5",
        "Announced": "4",
        "Ahead by": "14 min",
        "Alarms": "6",
        "Came to nothing": "2 (1 acknowledged)",
    }
    empty = record_words.row("shop", document(ForecastRecord()))
    assert empty == ("shop", "0", "", "0", "", "0", "", "0", "0", "", "0", "0")
