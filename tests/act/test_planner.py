"""The planner on a real ledger: what it gives up, keeps again, leaves alone; the same as a plan in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import ceil

import hypothesis
import hypothesis.strategies as st
import pytest
import sqlalchemy as sa

from hms_act.order.planner import PLAN_SECONDS, Planner
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, ledger
from hms_oms.jobs.queries import read
from hms_oms.jobs.records import Band
from hms_oms.order.backlog import Backlog, Job
from hms_oms.order.cells import cell
from hms_oms.order.estimates import Estimate
from hms_oms.order.judging import judge
from hms_oms.order.plan import CELL_SECONDS, Move, moves
from hms_oms.order.policy import Policy
from hms_oms.queues import backlogs, dispatch_windows, plans, policies
from hms_oms.queues.backlogs import Work
from hms_oms.queues.dispatch_windows import Window
from hms_oms.recipes.recipes import Recipe
from hms_ops.forecast import order_words
from tests.oms.test_bands import orders
from tests.oms.test_hot import row

#: One work of the shop takes so long, in seconds.
WORK = 60.0


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def window(raw: RawConnection, slots: int = 1) -> Window:
    """The shop's window, as if so many slots were there."""
    [shop] = [entry for entry in dispatch_windows.windows(raw) if entry.queue == "shop"]
    return replace(shop, slots=slots)


@pytest.fixture
def clock() -> Clock:
    """The planner's clock."""
    return Clock()


@pytest.fixture
def planner(raw: RawConnection, shop: Recipe, clock: Clock) -> Planner:
    """A planner that knows how long a job of the shop takes."""
    planner = Planner(raw, clock)
    planner.works.add(Work("shop", shop.type, 0, cell(shop.type), WORK, datetime.now(UTC)) for _ in range(8))
    return planner


def plan(planner: Planner, clock: Clock, slots: int = 1) -> list[int]:
    """Plan as after some seconds, and return what is given up."""
    clock.now += PLAN_SECONDS
    planner.turn([window(planner.connection, slots)])
    with planner.connection.cursor() as cursor:
        cursor.execute("select id from oms.jobs where band = 1 order by id")
        return [job for (job,) in cursor.fetchall()]


def test_nothing_is_given_up_while_everything_fits(
    engine: sa.Engine, planner: Planner, clock: Clock, shop: Recipe
) -> None:
    """Not even what is late already, if it is in nobody's way; and nothing is recorded."""
    orders(engine, shop, (0.5, 3, 4, 5))
    assert plan(planner, clock) == []
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select count(*) from oms.backlog_plans")) == 0


def test_the_fewest_are_given_up_and_kept_again_when_they_fit(
    engine: sa.Engine, planner: Planner, clock: Clock, shop: Recipe
) -> None:
    """Of five jobs of a minute three can be done in three minutes; with two slots all can."""
    jobs = orders(engine, shop, (3.1, 3.2, 3.3, 3.4, 3.5))
    assert plan(planner, clock) == jobs[:2]
    assert row(engine, jobs[0])["given_up_at"] is not None
    with engine.connect() as connection:
        known = connection.execute(sa.text("select * from oms.backlog_plans")).mappings().one()
    assert (known["jobs"], known["given_up"], known["work"], known["slots"]) == (5, 2, 300, 1)
    assert known["given_up_since"] is not None
    assert plan(planner, clock, slots=2) == []
    assert row(engine, jobs[0])["given_up_at"] is None
    with engine.connect() as connection:
        assert connection.scalar(sa.text("select given_up_since from oms.backlog_plans")) is None


def test_what_was_put_in_front_stays(engine: sa.Engine, planner: Planner, clock: Clock, shop: Recipe) -> None:
    """A promoted job is never given up, late or not, and what stands behind it has less time."""
    jobs = orders(engine, shop, (0.5, 2.5, 2.6, 2.7))
    assert plan(planner, clock) == jobs[:2]
    with engine.begin() as connection:
        commands.promote(connection, jobs[0], who="test", reason=None)
    assert plan(planner, clock) == jobs[1:3]


def test_what_must_be_on_time_is_kept(
    engine: sa.Engine, planner: Planner, clock: Clock, shop: Recipe
) -> None:
    """Others are given up for it, although it would have been its turn to be."""
    jobs = orders(engine, replace(shop, must=True), (3.1, 3.2))
    more = orders(engine, replace(shop, key=None), (3.3, 3.4))
    assert plan(planner, clock) == more[:1]
    assert (row(engine, jobs[0])["must"], row(engine, more[0])["must"]) == (True, False)


def test_what_has_become_too_late_goes_each_second(
    engine: sa.Engine,
    planner: Planner,
    clock: Clock,
    shop: Recipe,
    forward: Callable[[timedelta], None],
) -> None:
    """Between two plans, once something had to be given up."""
    jobs = orders(engine, shop, (2.5, 2.6, 2.7))
    assert plan(planner, clock) == jobs[:1]
    forward(timedelta(seconds=105))
    clock.now += 1
    planner.turn([window(planner.connection)])
    assert [row(engine, job)["band"] for job in jobs] == [1, 1, 1]


def test_a_file_is_planned_at_once(engine: sa.Engine, planner: Planner, clock: Clock, shop: Recipe) -> None:
    """Many new jobs, or other slots, do not wait for the next plan; a few more do."""
    jobs = orders(engine, shop, (1.5, 30))
    assert plan(planner, clock) == []
    late = orders(engine, replace(shop, key=None), (1.6,))
    clock.now += 1
    planner.turn([window(planner.connection)])
    assert row(engine, late[0])["band"] == 0
    with engine.begin() as connection:
        connection.execute(sa.text("select setval(pg_get_serial_sequence('oms.jobs', 'id'), 1000)"))
    orders(engine, replace(shop, key=None), (40,))
    clock.now += 1
    planner.turn([window(planner.connection)])
    assert row(engine, jobs[0])["band"] == 1


def test_given_up_jobs_have_a_share_of_the_work(
    engine: sa.Engine, planner: Planner, clock: Clock, raw: RawConnection, shop: Recipe
) -> None:
    """After twenty that are kept one of them is next."""
    orders(engine, shop, (2, *[60] * 50))
    plan(planner, clock)
    with engine.begin() as connection:
        connection.execute(sa.text("update oms.jobs set band = 1 where id = 1"))
    shares = []
    for _ in range(25):
        shares.append(planner.share(window(raw), 1))
        taken = ledger.take(raw, "shop", 1)
        planner.started(window(raw), taken)
    assert shares == [int(number in (20,)) for number in range(25)]


def test_deferred_jobs_are_held_back(
    engine: sa.Engine, planner: Planner, clock: Clock, raw: RawConnection, shop: Recipe
) -> None:
    """They have no share, and are not taken as long as another job waits, or is about to begin."""
    jobs = orders(engine, shop, (3.1, 3.2, 3.3, 3.4, 3.5))
    late, others = jobs[:2], jobs[2:]
    with engine.begin() as connection:
        policies.set_policy(connection, "shop", Policy.DEFER, who="test")
    assert plan(planner, clock) == late
    assert window(raw).holds_back
    assert planner.share(window(raw), 10) == 0
    assert [taken.job for taken in ledger.take(raw, "shop", 10, last=Band.KEPT)] == others
    planner.started(window(raw), [])
    assert (window(raw).kept, window(raw).holds_back) == (None, True)
    with engine.begin() as connection:
        connection.execute(sa.text("update oms.jobs set status = 'running' where status = 'queued'"))
        words = order_words.given_up(plans.in_force(connection)["shop"], "now")
    assert "2 jobs are deferred since now" in words
    assert "are held back until no other job waits" in words
    assert not window(raw).holds_back


@pytest.mark.parametrize("policy", ["deadline", "fifo"])
def test_other_policies_give_nothing_up(
    engine: sa.Engine, planner: Planner, clock: Clock, shop: Recipe, policy: str
) -> None:
    """What was given up is kept again, and jobs are dated as the policy says, also those that come later."""
    jobs = orders(engine, shop, (9, 8, 1.5, 1.7, 1.6))
    assert plan(planner, clock)
    with engine.begin() as connection:
        connection.execute(sa.text("update oms.queues set policy = :policy"), {"policy": policy})
    assert plan(planner, clock) == []
    jobs += orders(engine, replace(shop, key=None), (0.5,))
    taken = [job.job for job in ledger.take(planner.connection, "shop", 10)]
    assert taken == (jobs if policy == "fifo" else [jobs[place] for place in (5, 2, 4, 3, 1, 0)])


def test_agents_and_queues_without_workers_are_left_alone(
    engine: sa.Engine, planner: Planner, clock: Clock, shop: Recipe
) -> None:
    """Nobody knows how fast they are."""
    orders(engine, shop, (1.5, 1.5, 1.5))
    with engine.begin() as connection:
        connection.execute(sa.text("update oms.jobs set agent = true where id = 3"))
    assert plan(planner, clock, slots=0) == []
    assert plan(planner, clock) == [1]


#: A job: kind of work, minutes to its deadline, whether it must be on time, its priority.
JOBS = st.lists(
    st.tuples(st.integers(0, 3), st.floats(0, 40), st.booleans(), st.sampled_from([0, 0, 0, 0, 1])),
    min_size=1,
    max_size=60,
)
ESTIMATES = {kind * 64: Estimate(20.0 * 2**kind, 45.0 * 2**kind) for kind in range(4)}


@hypothesis.settings(max_examples=25, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(jobs=JOBS, slots=st.integers(1, 4), more=JOBS)
def test_the_ledger_and_a_plan_in_memory_agree(
    engine: sa.Engine,
    raw: RawConnection,
    shop: Recipe,
    jobs: Sequence[tuple[int, float, bool, int]],
    slots: int,
    more: Sequence[tuple[int, float, bool, int]],
) -> None:
    """The same jobs are given up, and the same fifty are next; also after more have come in."""
    with engine.begin() as connection:
        connection.exec_driver_sql("delete from oms.jobs")
    base = datetime(2026, 1, 1, tzinfo=UTC)
    memory = Backlog(Policy.MOST_ON_TIME)
    for part in (jobs, more):
        rows = []
        for kind, minutes, must, priority in part:
            sla = base + timedelta(minutes=round(minutes, 2))
            due = sla - timedelta(minutes=3) if must else sla
            number = len(memory) + 1
            rows.append(
                {"id": number, "sla": sla, "cell": kind * 64, "due": due, "must": must, "priority": priority}
            )
            memory.put(Job(number, 0, 0, sla.timestamp(), kind * 64, must, priority, due.timestamp()))
        with engine.begin() as connection:
            connection.execute(
                sa.text(
                    "insert into oms.jobs (id, type, recipe_id, steps, queue, sla, sla_minutes, payload,"
                    " requested_by, cell, due, must, priority) overriding system value"
                    " values (:id, 'shop:order:v1', 1, '{pick}', 'shop', :sla, 30, '{}', 'test',"
                    " :cell, :due, :must, :priority)"
                ),
                rows,
            )
        ahead = base.timestamp() + 60
        backlog = backlogs.read(raw, "shop", ahead, ESTIMATES.__getitem__)
        moved = backlogs.move(raw, "shop", moves(backlog.cells, judge(backlog.cells, slots, ahead).cuts))
        cells = memory.cells(lambda kind: ESTIMATES[int(str(kind))], 0.0)
        assert memory.carry_out(moves(cells, judge(cells, slots, ahead).cuts)) == moved
        with engine.connect() as connection:
            given_up = connection.scalars(sa.text("select id from oms.jobs where band = 1 order by id")).all()
            following = [job.id for job in read.peek(connection, "shop", 50)]
        assert given_up == [job.number for job in memory if job.given_up]
        order = sorted(memory, key=lambda job: (job.given_up, -job.priority, job.due, job.number))
        assert following == [job.number for job in order][:50]
    assert [job.job for job in ledger.take(raw, "shop", 50)] == following


def test_a_plan_changes_no_more_at_once_than_it_should(
    engine: sa.Engine,
    planner: Planner,
    clock: Clock,
    shop: Recipe,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Those that are due first are given up first, the others by the plan that follows without a pause."""
    monkeypatch.setattr(backlogs, "PAGE", 2)
    jobs = orders(engine, shop, (2.1, 2.2, 2.3, 2.4, 2.5, 2.6))
    assert plan(planner, clock) == jobs[:2]
    clock.now += 1
    planner.turn([window(planner.connection)])
    assert [row(engine, job)["band"] for job in jobs] == [1, 1, 1, 1, 0, 0]


@pytest.mark.parametrize(("ahead", "width"), [backlogs.FAR, backlogs.FARTHEST])
def test_deadlines_that_are_far_ahead_share_wide_cells(
    engine: sa.Engine, raw: RawConnection, shop: Recipe, ahead: float, width: float
) -> None:
    """A long backlog has few cells; in a wide one, too, the nearest deadlines are given up first."""
    now = datetime.now(UTC).timestamp()
    far = ceil((now + ahead) / width) * width
    narrower = CELL_SECONDS if width == backlogs.FAR[1] else backlogs.FAR[1]
    # Two before the first wide cell, four in it, one behind it.
    in_it = [far + width * share for share in (0.1, 0.3, 0.6, 0.9)]
    moments = [far - 1.5 * narrower, far - narrower / 2, *in_it, far + 1.5 * width]
    jobs = orders(engine, shop, [(moment - now) / 60 for moment in moments])
    cells = sorted(
        backlogs.read(raw, "shop", now, lambda _: Estimate(1.0, 1.0)).cells, key=lambda cell: cell.due
    )
    assert [cell.jobs for cell in cells] == [1, 1, 4, 1]
    wide = cells[2].key
    assert backlogs.move(raw, "shop", [Move(wide, 3)]) == 3
    assert [row(engine, job)["band"] for job in jobs] == [0, 0, 1, 1, 1, 0, 0]
    assert backlogs.move(raw, "shop", [Move(wide, -1)]) == 1
    assert [row(engine, job)["band"] for job in jobs] == [0, 0, 1, 1, 0, 0, 0]
