"""Visits and texts on a real PostgreSQL: loads stay even, and each application has one inspector, ever."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hms_act.accept import start_job
from hms_oms.database import connections
from hms_oms.database.connections import RawConnection, engine
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.records import Claimed, StepText
from hms_oms.recipes import counties, recipes
from tests.conftest import wait_until
from workers.farm_grant import roster, steps
from workers.farm_grant.roster import NoInspector, assign, seed
from workers.step import StepRun

GRANT = recipes.load_file(Path(recipes.__file__).parents[2] / "workers/recipes/farm-grant.toml")
PAYLOAD: Mapping[str, Any] = {
    "appId": 219,
    "name": "Ann Lee",
    "phone": "(312) 555-0123",
    "countyFips": "19001",
    "crop": "corn",
    "acres": 120.5,
    "amountRequested": 25000,
    "submittedOn": "2026-11-01",
}


@pytest.fixture
def connection(database: str) -> Iterator[RawConnection]:
    """A connection to a database whose roster is seeded."""
    opened = connections.connect(database, "hms test", autocommit=False)
    seed(opened)
    opened.commit()
    yield opened
    opened.close()


def loads(connection: RawConnection, state: str) -> dict[int, int]:
    """Open visits of each active inspector of a state."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "select id, open_visits from farm.inspectors where state = %s and active order by id", (state,)
        )
        return dict(cursor.fetchall())


def execute(connection: RawConnection, statement: str) -> None:
    """Run a statement and commit it."""
    with connection, connection.cursor() as cursor:
        cursor.execute(statement)


def test_seeding_again_changes_nothing_and_keeps_loads(connection: RawConnection) -> None:
    """The roster comes from its file once; what the house has added to it stays."""
    with connection:
        chosen = assign(connection, application=1, job=1, county_fips="19001")
    execute(connection, "update farm.inspectors set active = false where id = 1")

    assert seed(connection) == 0
    connection.commit()

    assert loads(connection, "19")[chosen.id] == 1
    assert 1 not in loads(connection, "01")


def test_seeding_follows_the_file(connection: RawConnection) -> None:
    """A renamed and a missing inspector are brought up to the file, and counted."""
    execute(connection, "update farm.inspectors set name = 'Nobody', open_visits = 7 where id = 2")
    execute(connection, "delete from farm.inspectors where id = 3")

    assert seed(connection) == 2
    connection.commit()

    with connection.cursor() as cursor:
        cursor.execute("select name, open_visits from farm.inspectors where id = 2")
        assert (roster.inspectors()[1].name, 7) == cursor.fetchone()


def test_the_least_busy_inspector_is_chosen_and_ties_go_to_the_smallest_id(connection: RawConnection) -> None:
    """Visits go round the state's inspectors in the order of their ids, the busy ones left out."""
    first, second, *others = loads(connection, "19")
    execute(connection, f"update farm.inspectors set open_visits = 1 where id = {first}")

    chosen = []
    for application in range(1, len(others) + 3):
        with connection:
            chosen.append(assign(connection, application=application, job=1, county_fips="19001").id)

    assert [second, *others, first] == chosen[: len(others) + 2]


def test_an_inspector_on_leave_is_not_chosen(connection: RawConnection) -> None:
    """Only active inspectors get visits."""
    first, second, *_ = loads(connection, "19")
    execute(connection, f"update farm.inspectors set active = false where id = {first}")

    with connection:
        assert second == assign(connection, application=1, job=1, county_fips="19001").id


def test_an_application_keeps_its_inspector(connection: RawConnection) -> None:
    """A step that runs again gets the same answer, and no load changes."""
    with connection:
        first = assign(connection, application=1, job=219, county_fips="19001")
    before = loads(connection, "19")
    with connection:
        again = assign(connection, application=1, job=219, county_fips="19001")

    assert first == again
    assert before == loads(connection, "19")
    with connection.cursor() as cursor:
        cursor.execute("select app_id, job_id, inspector_id, county_fips from farm.assignments")
        assert [(1, 219, first.id, "19001")] == cursor.fetchall()


def test_what_is_rolled_back_was_never_assigned(connection: RawConnection) -> None:
    """The assignment lives and dies with the transaction that completes the step."""
    assign(connection, application=1, job=1, county_fips="19001")
    connection.rollback()

    assert {0} == set(loads(connection, "19").values())


def test_a_state_without_inspectors_is_a_clear_error(connection: RawConnection) -> None:
    """The error names the county and what to do."""
    execute(connection, "update farm.inspectors set active = false where state = '19'")

    with pytest.raises(NoInspector, match=r"state '19'.*'19001'.*farm\.inspectors"):
        assign(connection, application=1, job=1, county_fips="19001")


def test_every_county_has_an_inspector(connection: RawConnection) -> None:
    """The roster covers all states, DC and the territories, three inspectors each at least."""
    with connection.cursor() as cursor:
        cursor.execute("select state, count(*) from farm.inspectors group by state")
        covered = dict(cursor.fetchall())

    assert {county[:2] for county in counties.codes()} == covered.keys()
    assert min(covered.values()) >= 3


def test_loads_stay_even_under_many_workers(database: str, connection: RawConnection) -> None:
    """Whatever the number of workers at once, loads within a state differ by one at most."""
    counties = ["19001", "19003", "17031", "06001"]
    applications = [(number, counties[number % len(counties)]) for number in range(1, 301)]
    own = threading.local()

    def visit(application: int, county: str) -> None:
        if not hasattr(own, "connection"):
            own.connection = connections.connect(database, "hms test", autocommit=False)
        with own.connection:
            assign(own.connection, application=application, job=application, county_fips=county)

    with ThreadPoolExecutor(12) as workers:
        list(workers.map(lambda asked: visit(*asked), applications))

    expected: Counter[str] = Counter(county[:2] for _, county in applications)
    for state, visits in expected.items():
        now = loads(connection, state)
        assert visits == sum(now.values())
        assert max(now.values()) - min(now.values()) <= 1
    with connection.cursor() as cursor:
        cursor.execute(
            "select i.id from farm.inspectors i left join farm.assignments a on a.inspector_id = i.id"
            " group by i.id having count(a.app_id) <> i.open_visits"
        )
        assert cursor.fetchall() == []


@pytest.fixture
def late(database: str) -> Iterator[RawConnection]:
    """A second connection, for a run that comes second; it gives up rather than wait forever."""
    opened = connections.connect(database, "hms test", {"lock_timeout": "10s"}, autocommit=False)
    yield opened
    opened.close()


def test_two_runs_of_one_step_assign_once(connection: RawConnection, late: RawConnection) -> None:
    """The run that comes second waits for the first, and then gives the same answer."""
    with ThreadPoolExecutor(1) as workers:
        first = assign(connection, application=1, job=1, county_fips="19001")
        second = workers.submit(assign, late, application=1, job=1, county_fips="19001")
        wait_until(lambda: waits_for(late, connection), "the second run waits for the first")
        connection.commit()

        assert first == second.result()
    late.commit()

    assert sum(loads(connection, "19").values()) == 1


def test_the_second_run_assigns_when_the_first_gives_up(
    connection: RawConnection, late: RawConnection
) -> None:
    """Where the run that was first is rolled back, the one that waited assigns from unchanged loads."""
    with ThreadPoolExecutor(1) as workers:
        first = assign(connection, application=1, job=1, county_fips="19001")
        second = workers.submit(assign, late, application=1, job=1, county_fips="19001")
        wait_until(lambda: waits_for(late, connection), "the second run waits for the first")
        connection.rollback()

        assert first == second.result()
    late.commit()

    assert {first.id: 1} == {id: visits for id, visits in loads(connection, "19").items() if visits}


def test_whoever_waited_sees_the_load_that_was_committed(
    connection: RawConnection, late: RawConnection
) -> None:
    """An assignment that waited for another one in its state goes to the next inspector, not to the same."""
    first, second, *_ = loads(connection, "19")
    with ThreadPoolExecutor(1) as workers:
        assert first == assign(connection, application=1, job=1, county_fips="19001").id
        waiting = workers.submit(assign, late, application=2, job=2, county_fips="19003")
        wait_until(lambda: waits_for(late, connection), "the second application waits for the first")
        connection.commit()

        assert second == waiting.result().id
    late.commit()


def test_other_states_do_not_wait(connection: RawConnection, late: RawConnection) -> None:
    """An open assignment holds up its own state only."""
    assign(connection, application=1, job=1, county_fips="19001")

    assert assign(late, application=2, job=2, county_fips="17031").state == "17"


def waits_for(waiting: RawConnection, holding: RawConnection) -> bool:
    """Whether the statement that runs on one connection waits for the transaction of the other."""
    with holding.cursor() as cursor:
        cursor.execute(
            "select %s = any(pg_blocking_pids(%s))", (holding.info.backend_pid, waiting.info.backend_pid)
        )
        result = cursor.fetchone()
        return result is not None and bool(result[0])


def run(connection: RawConnection, job: int, results: Mapping[str, Any], **changes: Any) -> StepRun:
    """A run of a step of this job, whose effects go to the connection."""
    claimed = Claimed(
        job=job,
        attempt=1,
        step=1,
        steps=("validate", "inspect", "notify"),
        type=GRANT.type,
        recipe_id=1,
        failures=0,
        payload={**PAYLOAD, **changes},
        results=results,
        now=datetime(2026, 11, 22, tzinfo=UTC),
    )
    return StepRun(claimed, lambda: connection)


@pytest.fixture
def job(database: str) -> int:
    """An accepted application."""
    with engine(database).begin() as ledger:
        started = start_job(ledger, GRANT, PAYLOAD, requested_by="test")
    return started.job.id


def test_the_inspect_step_names_the_inspector(connection: RawConnection, job: int) -> None:
    """The step's result says who comes, and its outcome becomes the job's."""
    first = next(inspector for inspector in roster.inspectors() if inspector.state == "19")

    done = steps.inspect(run(connection, job, {"validate": {"accepted": True}}))
    connection.commit()

    assert done == Done({"inspector": {"id": first.id, "name": first.name}}, outcome="assigned")
    assert loads(connection, "19")[first.id] == 1


def test_a_whole_number_written_as_a_float_is_the_same_application(
    connection: RawConnection, job: int
) -> None:
    """JSON knows 219.0, and so does the schema."""
    first = steps.inspect(run(connection, job, {}))
    again = steps.inspect(run(connection, job, {}, appId=219.0))

    assert first == again


def test_an_accepted_applicant_is_told_who_comes(connection: RawConnection, job: int) -> None:
    """One text that goes with the completion of the step, without the applicant's name."""
    results = {"validate": {"accepted": True}, "inspect": {"inspector": {"id": 1, "name": "Noé Peña"}}}
    notifying = run(connection, job, results)

    assert steps.notify(notifying) == {"texted": True, "dialable": True}

    body = "Farm grant 219: accepted. Inspector Noé Peña will visit your farm."
    assert notifying.texts == (StepText(f"job-{job}.2.1", "+13125550123", body),)
    assert not notifying.has_effects


def test_a_rejected_applicant_is_told_why(connection: RawConnection, job: int) -> None:
    """A phone that is valid elsewhere is a reason, and still a phone."""
    results = {"validate": {"accepted": False, "reasons": ["phone", "crop"]}}

    notifying = run(connection, job, results, phone="+44 20 7946 0018")

    assert steps.notify(notifying) == {"texted": True, "dialable": True}

    (text,) = notifying.texts
    assert text.recipient == "+442079460018"
    assert "not a valid US number; the crop is not one we fund" in text.body


def test_a_number_that_cannot_be_dialled_is_kept_as_written(connection: RawConnection, job: int) -> None:
    """No answer is left out: it stands in the outbox under what the applicant wrote."""
    results = {"validate": {"accepted": False, "reasons": ["phone"]}}

    notifying = run(connection, job, results, phone="call the neighbours")

    assert steps.notify(notifying) == {"texted": True, "dialable": False}

    (text,) = notifying.texts
    assert text.recipient == "call the neighbours"
