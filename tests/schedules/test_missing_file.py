"""A file that has not come at 06:15 is an incident that says which one where, and ends when it comes."""

from __future__ import annotations

from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from hms_oms.schedules import runs, store, troubles
from hms_ops.forecast.snapshot import Snapshot
from hms_ops.incidents import actions, lifecycle, thresholds, wording
from hms_ops.incidents.store import Incident
from hms_ops.oncall import escalation, oncall
from hms_ops.watch import judge
from tests.schedules.conftest import Office
from tests.support.timelines import ON_CALL

UTC_ZONE = ZoneInfo("UTC")


@pytest.fixture(autouse=True)
def called(engine: sa.Engine) -> None:
    """Somebody is on call."""
    with engine.begin() as connection:
        oncall.set_document(connection, ON_CALL, "test", None)


def look(office: Office) -> list[Incident]:
    """Have the watch look at the schedules; the incidents that are not resolved."""
    now = office.now()
    with office.engine.begin() as connection:
        limits = thresholds.limits(connection)
        snapshot = Snapshot(now, schedules=troubles.read(connection))
        findings, unknown, failed = judge(snapshot, limits)
        assert not failed
        lifecycle.observe(
            connection, now, findings, limits, judged={"schedule"}, unknown=unknown, looked_before=now
        )
        escalation.page(connection, now, True, UTC)
        return actions.find(connection, actions.STATES[:3])


def later(office: Office, seconds: float) -> list[Incident]:
    """Look every five seconds for so long."""
    current = look(office)
    for _ in range(int(seconds // 5)):
        office.forward(timedelta(seconds=5))
        current = look(office)
    return current


def kinds(office: Office) -> list[str]:
    """What the schedules are in trouble by."""
    with office.engine.connect() as connection:
        return [trouble.kind for trouble in troubles.read(connection)]


def test_a_missing_file_opens_an_incident_that_its_coming_ends(office: Office) -> None:
    """Nobody is called at 06:14; at 06:15 one text says which file where; then it comes, and it is over."""
    office.add(source="grants/*.csv")
    (office.incoming / "grants").mkdir()
    office.until(6)
    office.turn()
    office.until(6, 14)
    assert later(office, 30) == []
    office.until(6, 15)
    office.turn()
    [incident] = later(office, 25)
    assert (incident.state, incident.queue, incident.subject) == ("open", "shop", "daily")
    said = f"schedule daily misses its file since 06:15 UTC: no new file grants/*.csv in {office.incoming}"
    assert wording.sentence(incident, UTC_ZONE) == f"shop: {said}."
    with office.engine.connect() as connection:
        [text] = connection.scalars(sa.text("select body from oms.messages")).all()
    assert "shop: schedule daily misses its file since 06:15 UTC: no new file" in text
    office.file("grants/day.csv", 1)
    office.turn()
    office.turn()
    assert later(office, 65) == []
    with office.engine.connect() as connection:
        [over] = actions.find(connection, ["resolved"])
    assert wording.sentence(over, UTC_ZONE).startswith("shop: schedule daily missed its file for ")


def test_an_incident_lasts_over_the_next_run(office: Office) -> None:
    """The file of the day before is still missing when the next run begins to wait: it does not end."""
    office.add(source="in")
    office.until(6, 20)
    office.turn()
    [first] = later(office, 25)
    office.until(6)
    office.turn()
    [second] = later(office, 70)
    assert (second.id, second.state) == (first.id, "open")


def test_each_trouble_has_its_kind(office: Office, engine: sa.Engine) -> None:
    """Refused files, failed runs, and what no dispatcher looks at; each has its end."""
    office.add(source="in")
    (office.incoming / "in").mkdir()
    (office.incoming / "in/day.csv").write_text("order\n1\n")
    office.until(6)
    office.turn()
    office.turn()
    assert kinds(office) == ["refused"]
    assert "day.csv is refused: the column number is missing" in wording.sentence(
        later(office, 25)[0], UTC_ZONE
    )
    office.file("in/day.csv", 1)
    office.turn()
    office.turn()
    assert (office.states(), kinds(office)) == (["started"], [])
    with engine.begin() as connection:
        store.remove(connection, "daily", who="m", reason=None)
    office.add(payload={"number": "x"})
    office.until(6)
    office.turn()
    assert kinds(office) == ["failed"]
    _skip(engine)
    assert kinds(office) == []
    office.until(6, 5, days=1)
    assert kinds(office) == ["unlooked"]
    [incident] = later(office, 25)
    assert "is due since 06:00 UTC, and no dispatcher starts it" in wording.sentence(incident, UTC_ZONE)
    with engine.begin() as connection:
        store.pause(connection, "daily", who="m", reason=None)
    assert kinds(office) == []


def _skip(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        runs.skip(connection, store.get(connection, "daily"), who="m", reason=None)


def test_a_file_that_is_refused_beside_a_good_one_is_told_until_a_run_is_well(
    office: Office, engine: sa.Engine
) -> None:
    """The good one is taken; the corrected one by a run that somebody asks for, which ends the incident."""
    office.add(source="in")
    office.file("in/a.csv", 1)
    (office.incoming / "in/b.csv").write_text("order\n1\n")
    office.until(6)
    office.turn()
    office.turn()
    assert (office.states(), kinds(office)) == (["started"], ["refused"])
    office.forward(timedelta(minutes=1))
    office.file("in/b.csv", 2)
    with engine.begin() as connection:
        runs.request(connection, store.get(connection, "daily"), "m")
    office.turn()
    office.turn()
    assert (office.states(), kinds(office)) == (["started", "started"], [])
