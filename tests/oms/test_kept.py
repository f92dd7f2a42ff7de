"""What is kept and what is missed: one definition, the same in Python and in the ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
import sqlalchemy as sa

from hms_oms.jobs import on_time
from hms_oms.jobs.on_time import Counts

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
STATUSES = ("waiting", "queued", "running", "done", "failed", "cancelled")


@pytest.mark.parametrize(
    ("status", "ended", "says"),
    [
        ("done", -SECOND, "on time"),
        ("done", 0 * SECOND, "on time"),
        ("done", SECOND, "late"),
        ("failed", -SECOND, "failed"),
        ("failed", SECOND, "failed"),
        ("cancelled", SECOND, None),
        ("running", None, "open late"),
    ],
)
def test_what_came_of_a_deadline(status: str, ended: timedelta | None, says: str | None) -> None:
    """Done in time is the only way to keep it; what was cancelled does not count."""
    moment = NOON if ended is None else NOON + ended
    deadline = NOON - SECOND if ended is None else NOON
    result = on_time.kept(status, None if ended is None else moment, deadline, moment)
    assert result == says
    assert on_time.missed(status, None if ended is None else moment, deadline, moment) == (
        says not in ("on time", None)
    )


def test_the_ledger_says_the_same(engine: sa.Engine) -> None:
    """Every status with every order of end, deadline and now."""
    with engine.connect() as connection:
        for status, ended, due, now in product(STATUSES, (None, 0, 1, 2), (0, 1, 2), (0, 1, 2)):
            if (ended is None) == (status in ("done", "failed", "cancelled")):
                continue
            moments = (
                ended if ended is None else NOON + ended * SECOND,
                NOON + due * SECOND,
                NOON + now * SECOND,
            )
            says = connection.scalar(
                sa.text("select oms.kept(:status, :ended, :due, :now)"),
                dict(zip(("status", "ended", "due", "now"), (status, *moments), strict=True)),
            )
            assert says == on_time.kept(status, *moments)


def test_the_two_shares() -> None:
    """Open misses count in one of them; of nothing there is no share."""
    counts = Counts(on_time=6, late=1, failed=1, open_late=4)
    assert (counts.ended, counts.due, counts.missed) == (8, 12, 6)
    assert (counts.share_of_ended, counts.share_of_due) == (0.75, 0.5)
    assert (Counts().share_of_ended, Counts().share_of_due) == (None, None)
    assert (Counts(open_late=1).share_of_ended, Counts(open_late=1).share_of_due) == (None, 0.0)
