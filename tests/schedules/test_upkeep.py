"""What is measured of schedules, and what is removed of them when its time is over."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from hms_oms.retention.pruner import Chore
from hms_ops.metrics import schedules
from tests.schedules.conftest import Office


def samples(office: Office) -> dict[tuple[str, ...], float]:
    """The samples by metric and labels, without those of no run."""
    now = office.now()
    with office.engine.connect() as connection:
        return {
            (sample.name.removeprefix("hms_schedule_"), *sample.labels.values()): sample.value
            for family in schedules.families(connection, now)
            for sample in family.samples
            if sample.value
        }


def test_schedules_are_measured(office: Office) -> None:
    """When each is due, what its runs of a day have become, and for how long one has been in trouble."""
    office.add()
    office.add("files", source="in")
    office.until(6)
    office.turn()
    office.forward(timedelta(minutes=20))
    measured = samples(office)
    due = measured.pop(("next_run_in_seconds", "daily"))
    assert measured.pop(("next_run_in_seconds", "files")) == due
    assert round(due / 60) == 24 * 60 - 20
    trouble = measured.pop(("trouble_seconds", "files", "missing"))
    assert round(trouble / 60) == 5
    assert measured == {
        ("runs_of_a_day", "daily", "started"): 1,
        ("runs_of_a_day", "files", "waiting"): 1,
    }


def test_old_runs_are_removed_with_their_files(office: Office, engine: sa.Engine) -> None:
    """The latest of a schedule stays, and what it has taken stays known."""
    office.add(source="in")
    for day in (1, 2):
        office.file("in/day.csv", day)
        office.until(6)
        office.turn()
        office.turn()
    assert office.states() == ["started", "started"]
    office.forward(timedelta(days=2000))
    with engine.begin() as connection:
        removed = Chore("remove_schedule_runs", timedelta(days=1095)).remove(connection, office.now())
        kept = connection.scalar(sa.text("select count(*) from oms.schedule_files"))
    assert (dict(removed.counts), kept, office.states()) == ({"schedule_runs": 1}, 1, ["started"])
