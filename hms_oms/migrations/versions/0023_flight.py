"""Indexes of jobs by what changes twice in a job's life, not at each step: so that steps are HOT updates.

PostgreSQL writes a new entry into each index of a table, unless no column that any of them names has changed.
A job that waits has no `dispatched_at`, one in flight has, and one that has ended has `finished_at`: so the
indexes do without `status`, and a step that begins or ends changes none of what they name. All is done in
bites, or concurrently, while the programs of the release before go on; run again it goes on where it was.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

COLUMNS = """
-- The key that a cancelled job had: another may have it now.
alter table oms.jobs add column if not exists freed_key text;
alter table oms.jobs set (
    fillfactor = 60,
    -- What steps leave behind is cleared away within its page; this is for what jobs leave in indexes.
    autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_scale_factor = 0.005,
    autovacuum_analyze_threshold = 20000, autovacuum_analyze_scale_factor = 0.01,
    autovacuum_vacuum_insert_threshold = 100000, autovacuum_vacuum_insert_scale_factor = 0.02
);
alter table oms.messages set (
    fillfactor = 80, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02
);
alter table oms.message_attempts set (
    fillfactor = 80, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_scale_factor = 0.02
);

create or replace function oms.settle_job() returns trigger language plpgsql as $$
begin
    update oms.jobs
    set key = case when status = 'cancelled' then null else coalesce(key, freed_key) end,
        freed_key = case when status = 'cancelled' then coalesce(key, freed_key) end,
        dispatched_at = case
            when finished_at is not null then dispatched_at
            when status <> 'waiting' then coalesce(dispatched_at, since)
        end
    where id = new.id;
    return null;
end $$;

-- A cancelled job gives its key back, and has it again when it is reinstated. Programs of the release before
-- know nothing of `dispatched_at` where they put jobs back.
drop trigger if exists jobs_settled on oms.jobs;
create trigger jobs_settled after update of status on oms.jobs for each row
when (
    (new.status = 'cancelled' and new.key is not null)
    or (new.status <> 'cancelled' and new.freed_key is not null)
    or (new.finished_at is null and (new.status = 'waiting') <> (new.dispatched_at is null))
)
execute function oms.settle_job();
"""

#: What was written before the trigger, by ranges of ids.
SETTLE = """
update oms.jobs
set key = case when status = 'cancelled' then null else coalesce(key, freed_key) end,
    freed_key = case when status = 'cancelled' then coalesce(key, freed_key) end,
    dispatched_at = case
        when finished_at is not null then dispatched_at
        when status <> 'waiting' then coalesce(dispatched_at, since)
    end
where id >= :first and id < :first + :bite
    and (
        (status = 'cancelled' and key is not null)
        or (finished_at is null and (status = 'waiting') <> (dispatched_at is null))
    )
"""
BITE = 50_000

#: Each index is named after its reader.
INDEXES = {
    "jobs_key": "unique index {} on oms.jobs (type, key) where key is not null",
    "jobs_freed_key": "index {} on oms.jobs (type, freed_key, id) where freed_key is not null",
    "jobs_backlog": "index {} on oms.jobs (queue, agent, (-priority), sla, id)"
    " where dispatched_at is null and finished_at is null and ready_at is null",
    "jobs_delayed": "index {} on oms.jobs (ready_at) where ready_at is not null and finished_at is null",
    "jobs_in_flight": "index {} on oms.jobs (dispatched_at)"
    " where dispatched_at is not null and finished_at is null",
    "jobs_open_deadlines": "index {} on oms.jobs (queue, sla) where finished_at is null",
    "jobs_ended": "index {} on oms.jobs (finished_at, queue) include (sla) where finished_at is not null",
    "jobs_failed": "index {} on oms.jobs (id) where finished_at is not null and error is not null",
}
VALID = text("select indisvalid from pg_index where indexrelid = to_regclass(:name)")
DROPPED = ("jobs_cancelled_key", "jobs_window", "jobs_running")

BEFORE = """
drop trigger jobs_settled on oms.jobs;
drop function oms.settle_job;
drop index oms.jobs_key, oms.jobs_freed_key, oms.jobs_backlog, oms.jobs_delayed, oms.jobs_in_flight,
    oms.jobs_open_deadlines, oms.jobs_ended, oms.jobs_failed;
update oms.jobs set key = freed_key where freed_key is not null;
alter table oms.jobs drop column freed_key;
alter table oms.jobs reset (
    autovacuum_vacuum_threshold, autovacuum_analyze_threshold, autovacuum_analyze_scale_factor,
    autovacuum_vacuum_insert_threshold, autovacuum_vacuum_insert_scale_factor
);
alter table oms.messages reset (
    fillfactor, autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor
);
alter table oms.message_attempts reset (
    fillfactor, autovacuum_vacuum_threshold, autovacuum_vacuum_scale_factor
);
alter table oms.jobs set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02);
create unique index jobs_key on oms.jobs (type, key) where key is not null and status <> 'cancelled';
create index jobs_cancelled_key on oms.jobs (type, key, id) where key is not null and status = 'cancelled';
create index jobs_backlog on oms.jobs (queue, agent, priority desc, sla, id)
    where status = 'waiting' and ready_at is null;
create index jobs_delayed on oms.jobs (ready_at) where status = 'waiting' and ready_at is not null;
create index jobs_window on oms.jobs (queue, since) where status = 'queued';
create index jobs_running on oms.jobs (worker) where status = 'running';
create index jobs_open_deadlines on oms.jobs (queue, sla) where status in ('waiting', 'queued', 'running');
create index jobs_ended on oms.jobs (finished_at, queue) include (sla, status);
"""


def upgrade() -> None:
    """Build the new indexes beside the old ones, and let them take their place."""
    op.execute(COLUMNS)
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        last = connection.scalar(text("select coalesce(max(id), 0) from oms.jobs"))
        for first in range(0, last + 1, BITE):
            connection.execute(text(SETTLE), {"first": first, "bite": BITE})
        for name, definition in INDEXES.items():
            _build(name, definition)
        for name in DROPPED:
            op.execute(f"drop index concurrently if exists oms.{name}")
        op.execute("analyze oms.jobs")


def _build(name: str, definition: str) -> None:
    """Build an index without keeping anybody from writing, and let it take the place of the one before."""
    new = f"{name}_new"
    built = op.get_bind().scalar(VALID, {"name": f"oms.{new}"})
    if built is False:
        # It was interrupted half-way.
        op.execute(f"drop index concurrently oms.{new}")
    if not built:
        op.execute("create " + definition.format(f"concurrently {new}"))
    op.execute(f"drop index concurrently if exists oms.{name}")
    op.execute(f"alter index oms.{new} rename to {name}")


def downgrade() -> None:
    """Have the indexes name the status again."""
    op.execute(BEFORE)
