"""What is due starts, once: however many schedulers there are, and after whatever outage."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import psycopg2
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from hms_act import accept
from hms_act.schedules.scheduler import Scheduler
from hms_oms.daemon import leader_election
from hms_oms.daemon.leader_election import Lease
from hms_oms.database import connections
from hms_oms.recipes.recipes import Recipe
from hms_oms.recipes.schedules.written import ScheduleSpec
from hms_oms.schedules import runs, store
from hms_oms.schedules.records import InRecipe, ScheduleExists, UnknownSchedule
from tests.schedules.conftest import Office

HOUR = timedelta(hours=1)


def test_a_job_is_started_when_it_is_due(office: Office) -> None:
    """Not before, once, in the name of its schedule; the next day again, though the payload is the same."""
    office.add()
    office.turn()
    assert office.jobs() == []
    due = office.until(6)
    office.turn()
    office.turn()
    assert office.jobs() == [(7, "schedule daily")]
    [run] = office.runs()
    assert (run.due_at, run.state, run.job_id) == (due, "started", 1)
    office.until(6)
    office.turn()
    assert [number for number, _ in office.jobs()] == [7, 7]


def test_an_outage_of_days_is_made_up_for_by_rule(office: Office) -> None:
    """The default starts the last run, and the page has those that were missed."""
    office.add("last", "0 * * * *")
    office.add("all", "0 */8 * * *", catch_up="all", catch_up_hours=48)
    office.add("none", "30 * * * *", catch_up="none")
    office.until(9, 45, days=2)
    office.turn()
    assert office.states("last")[-3:] == ["missed", "missed", "started"]
    assert set(office.states("last")[:-1]) == {"missed"}
    assert office.states("all")[-6:] == ["started"] * 6
    assert set(office.states("none")) == {"missed"}
    office.until(10, 0)
    office.turn()
    assert office.states("last")[-2:] == ["started", "started"]


def test_a_run_is_skipped_while_the_one_before_is_open(office: Office, engine: sa.Engine) -> None:
    """It says which job is open; once that has ended the next one starts."""
    office.add(overlap="skip")
    office.until(6)
    office.turn()
    office.until(6)
    office.turn()
    assert office.states() == ["started", "skipped"]
    assert office.runs()[-1].note == "job-1 of the run before is still open"
    with engine.begin() as connection:
        connection.execute(sa.text("update oms.jobs set status = 'done', finished_at = oms.now()"))
    office.until(6)
    office.turn()
    assert office.states() == ["started", "skipped", "started"]


def test_a_paused_schedule_is_not_due_and_goes_on_from_now(office: Office, engine: sa.Engine) -> None:
    """What was due during the pause is left out; a run that is asked for starts all the same."""
    office.add()
    with engine.begin() as connection:
        assert store.pause(connection, "daily", who="m", reason="county fair").paused_by == "m"
    office.until(7)
    office.turn()
    assert office.states() == []
    with engine.begin() as connection:
        runs.request(connection, store.get(connection, "daily"), "m")
    office.turn()
    with engine.begin() as connection:
        store.resume(connection, "daily")
    office.turn()
    office.until(6)
    office.turn()
    assert [(run.state, run.requested_by) for run in office.runs()] == [("started", "m"), ("started", None)]


def test_a_removed_schedule_starts_nothing_and_frees_its_name(office: Office, engine: sa.Engine) -> None:
    """Its name can be given again; while it is there it cannot."""
    office.add()
    with pytest.raises(ScheduleExists):
        office.add()
    with engine.begin() as connection:
        store.remove(connection, "daily", who="m", reason=None)
        with pytest.raises(UnknownSchedule):
            store.get(connection, "daily")
    office.until(6)
    office.turn()
    assert office.jobs() == []
    office.add()


def test_a_request_that_is_refused_is_a_failed_run(office: Office, engine: sa.Engine) -> None:
    """The run says which field is wrong, without its value, and other schedules go on."""
    office.add("bad", payload={"number": "Ann Lee"})
    office.add("good")
    with engine.begin() as connection:
        connection.execute(sa.text("update oms.schedules set type = 'gone:by:v1' where name = 'good'"))
        connection.execute(sa.text("update oms.schedules set timezone = 'No/Where' where name = 'bad'"))
    office.until(6)
    office.turn()
    [run] = office.runs("good")
    assert (run.state, run.note) == (
        "failed",
        "no recipe for job type 'gone:by:v1'; known are shop:order:v1",
    )
    with engine.begin() as connection:
        connection.execute(sa.text("update oms.schedules set timezone = 'UTC' where name = 'bad'"))
    office.turn()
    [run] = office.runs("bad")
    assert (run.state, run.note) == ("failed", "number: is not of type 'integer'")


def test_many_schedulers_start_one_job(office: Office) -> None:
    """Of eight that look at the same moment, each many times, one starts each run."""
    for number in range(5):
        office.add(f"s{number}", "0 * * * *", catch_up="all", payload={"number": number + 1})
    office.until(6, 35)
    start, others = threading.Barrier(8), [office.another() for _ in range(8)]
    errors: list[BaseException] = []

    def look(scheduler: Scheduler) -> None:
        start.wait()
        try:
            for _ in range(3):
                scheduler.turn()
        except BaseException as error:  # noqa: BLE001 -- told by the test
            errors.append(error)

    threads = [threading.Thread(target=look, args=(scheduler,)) for scheduler in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    for number in range(5):
        started = [run for run in office.runs(f"s{number}") if run.state == "started"]
        assert len(started) == sum(1 for job, _ in office.jobs() if job == number + 1) > 0


def test_what_is_not_due_any_more_is_not_taken(office: Office, engine: sa.Engine) -> None:
    """Of two who saw that a schedule is due, the slower one finds that it is not, or that it was paused."""
    office.add()
    office.until(6, 1)
    with engine.begin() as connection:
        assert store.due(connection) == ["daily"]
        schedule = store.take_due(connection, "daily")
        assert schedule is not None
        store.advance(connection, schedule, office.now())
    with engine.begin() as connection:
        assert store.take_due(connection, "daily") is None
    office.until(6, 1)
    with engine.begin() as connection:
        store.pause(connection, "daily", who="m", reason=None)
        assert store.take_due(connection, "daily") is None


def test_a_former_leader_starts_nothing(
    office: Office, engine: sa.Engine, raw: connections.RawConnection, database: str
) -> None:
    """One that has lost its term is refused by the fence, and its successor starts what is due."""
    former = _lead(raw)
    office.add()
    office.until(6)
    other = connections.connect(database, "other")
    try:
        successor = _lead(other)
        late, present = (
            Scheduler(partial(lease.beside, engine), office.scheduler._known, office.scheduler._intake)
            for lease in (former, successor)
        )
        with pytest.raises((DBAPIError, psycopg2.Error)) as refused:
            late.turn()
        assert leader_election.is_over(refused.value)
        assert office.states() == []
        present.turn()
        assert office.states() == ["started"]
    finally:
        other.close()


def _lead(connection: connections.RawConnection) -> Lease:
    term = leader_election.take(connection, "act", leader_election.look(connection, "act"))
    assert term is not None
    return Lease("act", term, connection)


def test_a_crash_between_run_and_job_leaves_neither(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends the process before the commit takes the run back with the job; the next look starts both."""
    office.add()
    office.until(6)
    real = accept.start_job

    def killed(*given: object, **named: object) -> object:
        real(*given, **named)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(accept, "start_job", killed)
    with pytest.raises(KeyboardInterrupt):
        office.turn()
    assert (office.states(), office.jobs()) == ([], [])
    monkeypatch.undo()
    office.another().turn()
    assert (office.states(), len(office.jobs())) == (["started"], 1)


def test_schedules_of_recipes_come_and_go_with_them(office: Office, engine: sa.Engine, shop: Recipe) -> None:
    """One that is new begins, one that has changed goes on paused, and one that is gone is removed."""
    six, seven = ScheduleSpec("a", "0 6 * * *", payload={"number": 1}), "0 7 * * *"

    def keep(*specs: ScheduleSpec) -> None:
        with engine.begin() as connection:
            store.keep_recipes(connection, [_with(shop, *specs)], "America/Chicago")

    keep(six, ScheduleSpec("b", "0 6 * * *", "UTC", payload={"number": 2}))
    office.add("own")
    with engine.begin() as connection:
        assert store.get(connection, "a").timezone == "America/Chicago"
        with pytest.raises(InRecipe):
            store.remove(connection, "b", who="m", reason=None)
        store.pause(connection, "a", who="m", reason=None)
    keep(ScheduleSpec("a", seven, "UTC", payload={"number": 1}))
    with engine.connect() as connection:
        assert [schedule.name for schedule in store.find(connection)] == ["a", "own"]
        changed = store.get(connection, "a")
        assert (changed.cron, changed.paused_by) == (seven, "m")
        assert changed.next_at is not None
        assert changed.next_at.astimezone(UTC).hour == 7


def _with(recipe: Recipe, *specs: ScheduleSpec) -> Recipe:
    return replace(recipe, schedules=specs)


def test_a_registration_leaves_what_is_due(office: Office, engine: sa.Engine, shop: Recipe) -> None:
    """A release that is rolled out during an outage does not lose the runs that were due."""
    spec = ScheduleSpec("a", "0 6 * * *", "UTC", payload={"number": 1})
    with engine.begin() as connection:
        store.keep_recipes(connection, [_with(shop, spec)], "UTC")
    due: datetime = office.until(6)
    office.forward(HOUR)
    with engine.begin() as connection:
        store.keep_recipes(connection, [_with(shop, spec)], "UTC")
    office.turn()
    assert [(run.due_at, run.state) for run in office.runs("a")] == [(due, "started")]
