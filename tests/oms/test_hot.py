"""Steps are HOT updates, since no index names what they change; a ledger of before becomes such a one."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from hms_oms.database.connections import RawConnection
from hms_oms.database.schema import migrate
from hms_oms.database.schema.schema_revision import MIGRATIONS
from hms_oms.jobs import ledger
from hms_oms.jobs.live import running
from hms_oms.jobs.live.running import StepProgress
from hms_oms.jobs.queries import read
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe
from tests.oms.test_advance import advanced, report
from tests.oms.test_ledger import claim, look, order

#: What keys, expressions, INCLUDE and predicates of the indexes on jobs name.
NAMED = """
select distinct attribute.attname
from pg_index as index
join pg_depend as part on part.classid = 'pg_class'::regclass and part.objid = index.indexrelid
    and part.refobjid = index.indrelid and part.refobjsubid > 0
join pg_attribute as attribute on attribute.attrelid = index.indrelid and attribute.attnum = part.refobjsubid
where index.indrelid = 'oms.jobs'::regclass
"""
#: Jobs as the release before left them: id, status, key, whether it was ever dispatched.
LEFT = [
    (1, "waiting", None, True),
    (2, "waiting", None, False),
    (3, "queued", None, True),
    (4, "running", None, False),
    (5, "cancelled", "k", False),
    (6, "done", "k", True),
    (7, "cancelled", "other", True),
]


def row(engine: sa.Engine, job: int) -> dict[str, object]:
    """Everything that the ledger has of a job."""
    with engine.connect() as connection:
        result = connection.execute(sa.text("select * from oms.jobs where id = :job"), {"job": job})
        return dict(result.mappings().one())


def test_no_index_names_what_a_step_changes(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Neither a claim nor a report with which the worker goes on; nor does the payload lie in between."""
    job = order(engine, shop).id
    ledger.take(raw, "shop", 1)
    with engine.connect() as connection:
        named = set(connection.scalars(sa.text(NAMED)))
    assert {"queue", "sla", "finished_at", "dispatched_at", "priority", "key"} <= named
    for change in (
        lambda: claim(raw, job, "pick"),
        lambda: running.note_progress(raw, {Ticket(job, 1, "pick"): StepProgress(0.5)}),
        lambda: advanced(raw, report(shop, job, "pick")),
    ):
        before = row(engine, job)
        change()
        after = row(engine, job)
        changed = {name for name in after if after[name] != before[name]}
        assert changed & {"since", "progress"}
        assert not changed & named
        # What lies between them goes to the write-ahead log with them.
        places = sorted(list(after).index(name) for name in changed)
        assert "payload" not in list(after)[places[0] : places[-1]]


@pytest.fixture
def left(engine: sa.Engine, database: str, shop: Recipe) -> sa.Engine:
    """A ledger with jobs of the release before, brought to this one."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0022")
        connection.commit()
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "insert into oms.jobs (id, type, recipe_id, steps, queue, status, key, sla, sla_minutes,"
                " payload, requested_by, dispatched_at, finished_at) overriding system value"
                " values (:id, :type, 1, '{pick,pack,send}', 'shop', :status, :key, oms.now(), 30, '{}',"
                " 'test', case when :taken then oms.now() end,"
                " case when :status in ('done', 'cancelled') then oms.now() end)"
            ),
            [
                {"id": job, "type": shop.type, "status": status, "key": key, "taken": taken}
                for job, status, key, taken in LEFT
            ],
        )
        connection.exec_driver_sql("select setval(pg_get_serial_sequence('oms.jobs', 'id'), 100)")
    migrate.upgrade(database)
    return engine


def test_what_the_release_before_left_is_put_right(left: sa.Engine) -> None:
    """What waits is not in flight, what runs is; a cancelled job has given its key back, and shows it."""
    in_flight = {job: row(left, job)["dispatched_at"] is not None for job in (1, 2, 3, 4)}
    assert in_flight == {1: False, 2: False, 3: True, 4: True}
    assert [(row(left, job)["key"], row(left, job)["freed_key"]) for job in (5, 6, 7)] == [
        (None, "k"),
        ("k", None),
        (None, "other"),
    ]
    with left.connect() as connection:
        assert read.by_key(connection, "shop:order:v1", "k").id == 6
        assert read.by_key(connection, "shop:order:v1", "other").id == 7
        assert read.get(connection, 7).key == "other"
        assert connection.scalar(sa.text("select count(*) from pg_index where not indisvalid")) == 0


def test_programs_of_the_release_before_go_on(left: sa.Engine, raw: RawConnection) -> None:
    """What they put back is taken again, keys are free and taken as they know it."""
    with left.begin() as connection:
        for statement in (
            "update oms.jobs set status = 'waiting', worker = null where id in (3, 4)",
            "update oms.jobs set status = 'cancelled', finished_at = oms.now() where id = 6",
            "update oms.jobs set status = 'waiting', finished_at = null where id = 7",
        ):
            connection.exec_driver_sql(statement)
        accepted = (
            "insert into oms.jobs (type, recipe_id, steps, queue, sla, sla_minutes, payload, requested_by,"
            " key) select 'shop:order:v1', 1, '{pick}', 'shop', oms.now(), 30, '{}', 'test', key"
            " from unnest(array['k', 'other']) as key"
            " on conflict (type, key) where key is not null and status <> 'cancelled' do nothing"
            " returning key"
        )
        assert connection.exec_driver_sql(accepted).scalars().all() == ["k"]
    assert {taken.job for taken in ledger.take(raw, "shop", 10)} >= {1, 2, 3, 4, 7}
    assert look(left, 7).key == "other"
