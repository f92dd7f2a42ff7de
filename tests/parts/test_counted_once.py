"""A job whose step is done in parts is one job: in reports, lists, counts, webhooks and retention."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from hms_act import accept
from hms_oms.cycles import cycles
from hms_oms.database import health
from hms_oms.database.connections import RawConnection
from hms_oms.jobs.queries import read
from hms_oms.jobs.queries.read import Filter
from hms_oms.queues import queues
from hms_oms.recipes.recipes import Recipe
from hms_oms.retention import holds
from hms_oms.retention.holds import Target
from hms_ops.foresight.forecasts import Forecasts
from hms_ops.metrics import counts
from hms_ops.reports import sla_report
from hms_ops.webhooks import store
from tests.oms.test_ledger import look
from tests.oms.test_retention import prune
from tests.parts.test_split_and_join import boxes as boxes
from tests.parts.test_split_and_join import parts_of, settle, work

Forward = Callable[[timedelta], None]
CHICAGO = ZoneInfo("America/Chicago")


def test_it_counts_once(engine: sa.Engine, raw: RawConnection, boxes: Recipe, forward: Forward) -> None:
    """While it is open and late, when it has ended, and after retention has removed it."""
    with engine.begin() as connection:
        store.add(
            connection,
            b"k" * 32,
            name="all",
            url="http://127.0.0.1:9",
            queue=None,
            job_type=None,
            events=("job.done", "job.late"),
            set_by="ann",
        )
        batch = cycles.begin(connection, job_type=boxes.type, name="day.csv", requested_by="test").id
        accepted = accept.accept_many(
            connection, boxes, [{"number": 1, "boxes": [1, 2, 3]}], requested_by="test", batch_id=batch
        )
    [job] = accepted.jobs
    work(raw, boxes)
    settle(raw)
    work(raw, boxes, 1)
    with engine.begin() as connection:
        assert [risk.job for risk in Forecasts().at_risk(connection)] == [job]
        assert list(Forecasts().of_jobs(connection, [(job, "boxes")])) == [job]
        standing = counts.standings(connection, health.clock(connection))["boxes"]
        assert (sum(standing.wholes), sum(jobs for _, jobs in standing.served)) == (1, 3)
    forward(timedelta(hours=1))
    with engine.begin() as connection:
        now = health.clock(connection)
        [queue] = [queue for queue in queues.overview(connection) if queue.name == "boxes"]
        standing = counts.standings(connection, now)["boxes"]
        assert (queue.late, queue.waiting, standing.late, standing.waiting) == (1, 2, 1, 2)
        assert (report(connection).whole.open_late, [missed.job for missed in report(connection).worst]) == (
            1,
            [f"job-{job}"],
        )
    while settle(raw) or work(raw, boxes):
        pass
    assert look(engine, job).status == "done"
    with engine.begin() as connection:
        before = report(connection)
        assert (before.whole.late, before.queues["boxes"].late) == (1, 1)
        assert [listed.id for listed in read.find(connection, Filter(queue="boxes"), limit=None)] == [job]
        assert cycles.progress(connection, batch).done == 1
        events = sa.text("select event, subject from ops.webhook_deliveries order by event")
        assert [tuple(row) for row in connection.execute(events)] == [
            ("job.done", f"job-{job}"),
            ("job.late", f"job-{job}"),
        ]
        cycles.close(connection, batch)
        assert [ended.late for ended in cycles.note_ends(connection)] == [1]
    forward(timedelta(days=40))
    removed = prune(engine, forward)
    assert removed["jobs"] == 1
    with engine.begin() as connection:
        assert connection.scalar(sa.text("select count(*) from oms.jobs")) == 0
        assert connection.scalar(sa.text("select sum(done) from oms.job_sums")) == 1


def test_what_is_held_is_held_with_its_parts(
    engine: sa.Engine, raw: RawConnection, boxes: Recipe, forward: Forward
) -> None:
    """Their event logs and results stay, too."""
    with engine.begin() as connection:
        [job] = accept.accept_many(connection, boxes, [{"number": 1, "boxes": [1]}], requested_by="test").jobs
    while settle(raw) or work(raw, boxes):
        pass
    with engine.begin() as connection:
        holds.add(connection, Target(job_id=job), who="ann", reason="court")
    forward(timedelta(days=400))
    assert not any(prune(engine, forward).values())
    assert len(parts_of(engine, job)) == 3


def report(connection: sa.Connection) -> sla_report.SlaReport:
    """The SLA report of the week."""
    return sla_report.report(connection, *sla_report.week(health.clock(connection), CHICAGO), zone=CHICAGO)
