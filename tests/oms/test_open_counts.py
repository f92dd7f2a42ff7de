"""Jobs that have not ended are counted alike for queues, for cycles and for what is measured."""

from __future__ import annotations

import sqlalchemy as sa

from hms_oms.cycles import cycles
from hms_oms.database import health
from hms_oms.queues import queues
from hms_oms.recipes.recipes import Recipe
from hms_ops.metrics import counts

JOBS = """
insert into oms.jobs
    (type, recipe_id, steps, queue, payload, sla, sla_minutes, requested_by, batch_id, status, ready_at)
select 'shop:order:v1', recipe.id, '{pick,pack}', 'shop', '{}', oms.now() + interval '1 hour', 60, 'ann',
    :batch,
    case when n <= 6 then 'waiting' when n <= 9 then 'queued' else 'running' end,
    -- One is still to come, one has come, and the dispatcher has not looked yet.
    case n when 1 then oms.now() + interval '1 hour' when 2 then oms.now() - interval '1 second' end
from oms.recipes as recipe, generate_series(1, 10) as n
where recipe.type = 'shop:order:v1'
"""


def test_queue_cycle_and_watch_count_alike(engine: sa.Engine, shop: Recipe) -> None:
    """Ready, delayed, queued and running jobs are as many on each screen, and open is all of them."""
    with engine.begin() as connection:
        cycle = cycles.begin(connection, job_type=shop.type, name="today.csv", requested_by="ann")
        connection.execute(sa.text(JOBS), {"batch": cycle.id})
        [queue] = [queue for queue in queues.overview(connection) if queue.name == "shop"]
        progress = cycles.progress(connection, cycle.id)
        measured = counts.standings(connection, health.clock(connection))["shop"]
    for source in (queue, progress, measured):
        assert (source.waiting, source.delayed, source.queued, source.running) == (4, 2, 3, 1)
    assert queue.open == progress.open == 10
