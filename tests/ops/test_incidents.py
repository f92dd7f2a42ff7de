"""Incidents one by one: races, references, the list of late jobs, what people say, and who can be reached."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_oms.database.connections import RawConnection
from hms_oms.messages import delivery
from hms_oms.messages.records import OutgoingText
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.errors import UnknownQueue
from hms_ops.findings import Finding
from hms_ops.incidents import actions, lifecycle, references, silences, thresholds
from hms_ops.incidents.actions import Incident
from hms_ops.incidents.impact import late_jobs
from hms_ops.oncall import escalation, oncall
from hms_ops.rules import RULES
from tests.conftest import wait_until
from tests.support.timelines import ON_CALL, PHONES

ALL = [rule.name for rule in RULES]
QUEUES = ("shop", "desk", "annex")


@pytest.fixture(autouse=True)
def queues(engine: sa.Engine) -> None:
    """The queues that the findings speak of."""
    with engine.begin() as connection:
        for queue in QUEUES:
            connection.execute(sa.text("insert into oms.queues (name) values (:name)"), {"name": queue})


@pytest.fixture
def called(engine: sa.Engine) -> None:
    """Ada is called at once, Grace after ten minutes."""
    with engine.begin() as connection:
        oncall.set_document(connection, ON_CALL, "test", None)


def late(queue: str, now: datetime, jobs: int = 1) -> Finding:
    """Jobs that are late since now."""
    facts = {"late": jobs, "late_since": now.isoformat()}
    return Finding("late", queue, 0.0, late_jobs=jobs, facts=facts)


def observe(
    connection: sa.Connection, *queues: str, judged: list[str] = ALL, local: bool = True
) -> list[Incident]:
    """One look at which jobs are late in some queues; the incidents that are not resolved, oldest first."""
    now = clock(connection)
    findings = [late(queue, now) for queue in queues]
    limits = thresholds.limits(connection)
    lifecycle.observe(connection, now, findings, limits, judged=judged, looked_before=now)
    escalation.page(connection, now, local, UTC)
    return actions.find(connection, actions.STATES[:3])[::-1]


def clock(connection: sa.Connection) -> datetime:
    """The ledger's time."""
    return connection.execute(sa.text("select oms.now()")).scalar_one()


def texts(engine: sa.Engine) -> list[tuple[str, str]]:
    """All texts, as (kind, recipient)."""
    names = {phone: name for name, phone in PHONES.items()}
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select kind, recipient from oms.messages order by id"))
        return [(row.kind, names.get(row.recipient, row.recipient)) for row in rows]


def kinds(engine: sa.Engine, incident: Incident) -> list[str]:
    """What the history of an incident tells, oldest first."""
    with engine.connect() as connection:
        return [event.kind for event in actions.history(connection, incident.id)]


def fail(engine: sa.Engine, state: str) -> None:
    """What waits in the outbox is handed over, and ends as `state`."""
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "update oms.messages set state = :state, finished_at = oms.now(), lease_until = null"
                " where state in ('pending', 'sending')"
            ),
            {"state": state},
        )


class Evaluator(threading.Thread):
    """Looks at the same breach on a connection of its own, and commits when told to."""

    def __init__(self, engine: sa.Engine) -> None:
        super().__init__(daemon=True)
        self._engine = engine
        self.found: list[Incident] = []
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            with self._engine.begin() as connection:
                connection.exec_driver_sql("set application_name = 'contender'")
                self.found = observe(connection, "shop", "desk")
        except BaseException as error:  # noqa: BLE001 told to the test
            self.error = error


def wait_for_contender(engine: sa.Engine) -> None:
    """Return when PostgreSQL says that the contender waits for a lock."""
    query = sa.text(
        "select count(*) from pg_stat_activity where application_name = 'contender'"
        " and wait_event_type = 'Lock' and datname = current_database()"
    )

    def waits() -> Any:
        with engine.connect() as connection:
            return connection.scalar(query)

    wait_until(waits, "the contender to wait for the lock")


@pytest.mark.usefixtures("called")
def test_two_evaluators_open_one_incident(engine: sa.Engine) -> None:
    """Who comes second waits for the first, finds the incident there, and calls nobody."""
    with engine.begin() as connection:
        result = observe(connection, "shop", "desk")
        second = Evaluator(engine)
        wait_for_contender(engine)
    second.join(20)
    assert second.error is None
    assert [item.id for item in second.found] == [item.id for item in result]
    assert texts(engine) == [("page", "ada"), ("page", "ada")]
    with engine.connect() as connection:
        assert kinds(engine, result[0]) == ["opened", "paged"]
        assert len(actions.find(connection, actions.STATES)) == 2


@pytest.mark.usefixtures("called")
def test_who_is_given_another_phone_is_texted_there(engine: sa.Engine) -> None:
    """A wrong number that is put right reaches its owner in the same call, and nobody is texted twice."""
    with engine.begin() as connection:
        observe(connection, "shop")
    fail(engine, "failed")
    with engine.begin() as connection:
        observe(connection, "shop")
    assert texts(engine) == [("page", "ada"), ("page", "grace")]
    moved = {**ON_CALL, "recipients": {**PHONES, "ada": "+12025550199"}}
    for document in (moved, {**moved, "timezone": "UTC"}):
        with engine.begin() as connection:
            oncall.set_document(connection, document, "test", None)
            for _ in range(2):
                observe(connection, "shop")
    assert texts(engine) == [("page", "ada"), ("page", "grace"), ("page", "+12025550199")]
    with engine.begin() as connection:
        actions.resolve(connection, "K5", "boss", None, clock(connection))
        escalation.page(connection, clock(connection), True, UTC)
    assert texts(engine)[3:] == []


@pytest.mark.usefixtures("called")
def test_an_acknowledgement_that_races_the_ladder_wins(engine: sa.Engine) -> None:
    """The page that a look has just put into the outbox is taken back by the acknowledgement behind it."""

    def acknowledge() -> None:
        with engine.begin() as connection:
            connection.exec_driver_sql("set application_name = 'contender'")
            limits = thresholds.limits(connection)
            actions.acknowledge(connection, "K5", "ada", clock(connection), limits)

    with engine.begin() as connection:
        observe(connection, "shop")
    with engine.begin() as connection:
        # Another call, so that there is another page.
        connection.execute(sa.text("update ops.incidents set page_seq = 2"))
        observe(connection, "shop")
        person = threading.Thread(target=acknowledge, daemon=True)
        person.start()
        wait_for_contender(engine)
    person.join(20)
    with engine.connect() as connection:
        states = connection.scalars(sa.text("select distinct state from oms.messages")).all()
        assert actions.get(connection, "K5").state == "acknowledged"
    assert states == ["cancelled"]


def test_a_rule_that_could_not_judge_leaves_its_incidents(engine: sa.Engine, forward: Any) -> None:
    """No finding of a rule that failed means nothing: its incident neither clears nor ends."""
    with engine.begin() as connection:
        observe(connection, "shop")
    for _ in range(3):
        forward(timedelta(minutes=5))
        with engine.begin() as connection:
            [incident] = observe(connection, judged=[])
    assert (incident.state, incident.clear_since) == ("open", None)


def test_references_are_short_and_rest(engine: sa.Engine) -> None:
    """Each incident has another reference, without letters that are mistaken; none comes again for a day."""
    with engine.begin() as connection:
        now = clock(connection)
        given = [references.fresh(connection, now) for _ in range(160)]
        assert len(set(given)) == 160
        assert not set("0O1ILB5S2Z8") & {sign for reference in given for sign in reference[0]}
        connection.execute(
            sa.text(
                "insert into ops.incidents (rule, queue, subject, state, reference, active_at, last_true_at,"
                " resolved_at) select 'late', null, name, 'resolved', name, :now, :now, :now"
                " from unnest(cast(:names as text[])) as name"
            ),
            {"now": now, "names": given},
        )
        assert len(references.fresh(connection, now)) == 3
        assert len(references.fresh(connection, now + timedelta(hours=25))) == 2


def test_an_incident_is_named_in_every_way(engine: sa.Engine) -> None:
    """K5, #k5 and its number are the same incident; what nobody has is said precisely."""
    with engine.begin() as connection:
        [incident] = observe(connection, "shop")
        assert incident.name == "#K5"
        for name in ("K5", "#k5", " k5 ", incident.id, str(incident.id), f"#{incident.id}"):
            assert actions.get(connection, name).id == incident.id
        for name in ("V8", "99", "", "#", "drop table"):
            with pytest.raises(actions.UnknownIncident, match="there is no incident"):
                actions.get(connection, name)


@pytest.mark.usefixtures("called")
def test_what_people_say_is_kept(engine: sa.Engine, forward: Any) -> None:
    """Acknowledge, acknowledge again, close: each with who; what is over stays over anyone who says what."""
    with engine.begin() as connection:
        [incident] = observe(connection, "shop")
        limits, now = thresholds.limits(connection), clock(connection)
        first = actions.acknowledge(connection, incident.id, "ada", now, limits)
        assert first.ack_expires_at == now + timedelta(minutes=30)
    forward(timedelta(minutes=20))
    with engine.begin() as connection:
        now = clock(connection)
        again = actions.acknowledge(connection, incident.id, "grace", now, limits)
        assert again.ack_expires_at == now + timedelta(minutes=30)
        closed = actions.resolve(connection, "K5", "grace", "sheep on the line", now)
        assert (closed.state, closed.resolved_by) == ("resolved", "grace")
        assert actions.acknowledge(connection, "K5", "ada", now, limits).state == "resolved"
        assert actions.resolve(connection, "K5", "ada", None, now).resolved_by == "grace"
        lines = [(event.kind, event.who) for event in actions.history(connection, incident.id)]
        last = actions.history(connection, incident.id)[-1]
    assert lines == [
        ("opened", None),
        ("paged", "ada"),
        ("acknowledged", "ada"),
        ("acknowledged", "grace"),
        ("resolved", "grace"),
    ]
    assert last.detail == {"reason": "sheep on the line"}


def test_the_history_is_append_only(engine: sa.Engine) -> None:
    """Not even the owner of the table changes a line of it."""
    with engine.begin() as connection:
        observe(connection, "shop")
    for statement in ("update ops.incident_events set who = 'me'", "delete from ops.incident_events"):
        with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(sa.text(statement))


def test_late_jobs_are_listed_once(
    engine: sa.Engine, shop_orders: Callable[[int], None], forward: Any
) -> None:
    """Each look lists the jobs late since the last; one that came late is found from the beginning."""
    shop_orders(3)
    forward(timedelta(minutes=31))
    with engine.begin() as connection:
        [incident] = observe(connection, "shop")
        assert late_jobs.note(connection, clock(connection), whole=False) == 3
        assert late_jobs.note(connection, clock(connection), whole=True) == 0
    shop_orders(2)
    with engine.begin() as connection:
        # Moved here from elsewhere with deadlines before those that are listed.
        connection.execute(
            sa.text("update oms.jobs set sla = sla - interval '2 hours' where sla > oms.now()")
        )
        assert late_jobs.note(connection, clock(connection), whole=False) == 0
        assert late_jobs.note(connection, clock(connection), whole=True) == 2
        incident = actions.get(connection, incident.id)
        assert incident.late_jobs == 5
        assert len(late_jobs.of(connection, incident)) == 5


def test_a_job_that_becomes_late_and_ends_between_two_looks_is_listed(
    engine: sa.Engine, shop_orders: Callable[[int], None], forward: Any
) -> None:
    """What ended past its deadline counts as late, what ended before it does not."""
    shop_orders(3)
    with engine.begin() as connection:
        observe(connection, "shop")
    forward(timedelta(minutes=31))
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "update oms.jobs set status = 'done', finished_at = sla + interval '1 second' * (2 - id)"
                " where id in (select id from oms.jobs order by id limit 2)"
            )
        )
        connection.execute(sa.text("update ops.incidents set active_at = active_at - interval '1 hour'"))
        connection.execute(sa.text("update oms.jobs set finished_at = oms.now() where finished_at > sla"))
        assert late_jobs.note(connection, clock(connection), whole=False) == 2
        assert late_jobs.note(connection, clock(connection), whole=False) == 0


def test_many_late_jobs_are_listed_bit_by_bit(
    engine: sa.Engine,
    shop_orders: Callable[[int], None],
    forward: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A look lists so many at most, and the next one goes on, also where all have the same deadline."""
    monkeypatch.setattr(late_jobs, "MOST", 4)
    shop_orders(10)
    forward(timedelta(minutes=31))
    with engine.begin() as connection:
        connection.execute(sa.text("update oms.jobs set sla = (select min(sla) from oms.jobs)"))
        observe(connection, "shop")
        noted = [late_jobs.note(connection, clock(connection), whole=False) for _ in range(4)]
    assert noted == [4, 4, 2, 0]


@pytest.mark.usefixtures("called")
@pytest.mark.parametrize("state", ["failed", "undelivered", "expired"])
def test_a_page_that_fails_calls_the_next_at_once(engine: sa.Engine, state: str) -> None:
    """Nobody waits ten minutes for a phone that is out of reach; when all fail the history says so, once."""
    with engine.begin() as connection:
        [incident] = observe(connection, "shop")
    fail(engine, state)
    with engine.begin() as connection:
        observe(connection, "shop")
    assert texts(engine) == [("page", "ada"), ("page", "grace")]
    fail(engine, state)
    for _ in range(2):
        with engine.begin() as connection:
            observe(connection, "shop")
    assert kinds(engine, incident) == ["opened", "paged", "paged", "nobody reached"]


def test_with_a_real_sender_and_no_ladder_nobody_is_called(engine: sa.Engine, caplog: Any) -> None:
    """The fictional number is for the local log alone; otherwise the history and the log say it, once."""
    for _ in range(2):
        with engine.begin() as connection:
            [incident] = observe(connection, "shop", local=False)
    assert texts(engine) == []
    assert kinds(engine, incident) == ["opened", "nobody to call"]
    assert [record.getMessage() for record in caplog.records] == ["#K5 of late: nobody to call"]
    with engine.begin() as connection:
        observe(connection, "shop", local=True)
    assert texts(engine) == [("page", "+12025550100")]


@pytest.mark.usefixtures("called")
def test_the_end_is_told_to_those_who_may_have_read_the_page(engine: sa.Engine, raw: RawConnection) -> None:
    """A page in flight is waited for; one that was never sent is taken back, and nobody is told."""
    with engine.begin() as connection:
        first, _ = observe(connection, "shop", "desk")
    [page] = [page for page in delivery.waiting_pages(raw, 10) if page.incident == first.id]
    [text] = delivery.begin(raw, [OutgoingText(page.id, page.fence)], "log")
    with engine.begin() as connection:
        for name in ("K5", "V8"):
            actions.resolve(connection, name, "ada", None, clock(connection))
        observe(connection, "shop", "desk")
    assert texts(engine) == [("page", "ada"), ("page", "ada")]
    with engine.begin() as connection:
        connection.execute(
            sa.text("update oms.messages set state = 'accepted', lease_until = null where id = :id"),
            {"id": text.id},
        )
        observe(connection, "shop", "desk")
        observe(connection, "shop", "desk")
        assert actions.get(connection, "V8").told_seq == 1
    assert texts(engine)[2:] == [("resolved", "ada")]


def test_thresholds_are_checked_and_shown(engine: sa.Engine) -> None:
    """The queue's own value, else the floor's, else the default; what cannot be is said precisely."""
    with engine.begin() as connection:
        for value, queue in ((7, None), (9, "shop"), (None, "shop"), (11, "desk")):
            thresholds.set_threshold(connection, "stalled", "minutes", value, queue, "boss", "slow steps")
        limits = thresholds.limits(connection).of("stalled")
        assert [limits("minutes", queue) for queue in (None, "shop", "desk")] == [7, 7, 11]
        assert limits("for_seconds", "shop") == 10
        shown = [
            (item.queue, item.value, item.default)
            for item in thresholds.overview(connection)
            if (item.rule, item.parameter) == ("stalled", "minutes")
        ]
        assert shown == [(None, 7, 5), ("desk", 11, 5)]
        with pytest.raises(thresholds.UnknownRule, match="there is no rule 'sleepy'; known are late, slow"):
            thresholds.set_threshold(connection, "sleepy", "minutes", 1, None, "boss", None)
        with pytest.raises(thresholds.UnknownParameter, match=r"has no parameter 'hours'; it has .*minutes"):
            thresholds.set_threshold(connection, "stalled", "hours", 1, None, "boss", None)
        for value in (-1, float("nan"), float("inf")):
            with pytest.raises(thresholds.BadThreshold, match="must be a number from 0 up"):
                thresholds.set_threshold(connection, "stalled", "minutes", value, None, "boss", None)
        with pytest.raises(UnknownQueue):
            thresholds.set_threshold(connection, "stalled", "minutes", 1, "barn", "boss", None)


def test_silences_begin_end_and_are_called_off(engine: sa.Engine) -> None:
    """One that begins later does not hold yet; ended by hand it is gone; a senseless one is refused."""
    hour = timedelta(hours=1)
    with engine.begin() as connection:
        now = clock(connection)
        here = silences.silence(connection, None, "shop", now, now + hour, "harvest", "boss")
        later = silences.silence(connection, "late", None, now + hour, now + 2 * hour, "works", "boss")
        assert silences.active(connection, now) == [here]
        assert silences.find(connection, now) == [here, later]
        assert silences.active(connection, now + hour) == [later]
        assert [here.covers("slow", queue) for queue in ("shop", "desk")] == [True, False]
        assert [later.covers(rule, "desk") for rule in ("late", "slow")] == [True, False]
        assert silences.end(connection, later.id, "ada").ended_by == "ada"
        assert silences.end(connection, later.id, "grace").ended_by == "ada"
        assert silences.find(connection, now) == [here]
        with pytest.raises(silences.UnknownSilence, match="there is no silence 99"):
            silences.end(connection, 99, "ada")
        with pytest.raises(silences.BadSilence, match="ends after it begins"):
            silences.silence(connection, None, None, now, now, "none", "boss")
        with pytest.raises(silences.BadSilence, match="over already"):
            silences.silence(connection, None, None, now - 2 * hour, now - hour, "past", "boss")
        with pytest.raises(thresholds.UnknownRule):
            silences.silence(connection, "sleepy", None, now, now + hour, "none", "boss")


@pytest.fixture
def shop_orders(engine: sa.Engine, queues: None, shop: Recipe) -> Callable[[int], None]:
    """Accepts so many orders, due in 30 minutes."""
    numbers = iter(range(1, 1000))

    def order(count: int) -> None:
        with engine.begin() as connection:
            for _ in range(count):
                accept.start_job(connection, shop, {"number": next(numbers)}, requested_by="test")

    return order
