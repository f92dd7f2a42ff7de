"""Two bands of a backlog: what is kept, and behind it what cannot be done in time.

A job's place is its band, its priority, when it is due and its id. All is done in bites, or concurrently,
while the programs of the release before go on; run again it goes on where it was.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

COLUMNS = """
alter table oms.jobs
    -- What its work is like: jobs of one cell take about as long (hms_oms.order.cells).
    add column if not exists cell int not null default 0,
    -- 0 is kept, 1 was given up because it cannot be done in time, at `given_up_at`.
    add column if not exists band smallint not null default 0,
    add column if not exists given_up_at timestamptz,
    add column if not exists must boolean not null default false,
    -- When it is its turn: its deadline, or earlier.
    add column if not exists due timestamptz;

create or replace function oms.due_by_deadline() returns trigger language plpgsql as $$
begin
    new.due := new.sla;
    return new;
end $$;

-- Programs of the release before know nothing of `due` ...
drop trigger if exists jobs_due on oms.jobs;
create trigger jobs_due before insert on oms.jobs for each row
when (new.due is null) execute function oms.due_by_deadline();

-- ... nor that a job which goes back is kept again, whatever it was before. (The first six bits of a cell are
-- the step at which it waits.)
create or replace function oms.settle_job() returns trigger language plpgsql as $$
begin
    update oms.jobs
    set key = case when status = 'cancelled' then null else coalesce(key, freed_key) end,
        freed_key = case when status = 'cancelled' then coalesce(key, freed_key) end,
        dispatched_at = case
            when finished_at is not null then dispatched_at
            when status <> 'waiting' then coalesce(dispatched_at, since)
        end,
        due = coalesce(due, sla),
        band = case when status = 'waiting' and dispatched_at is not null then 0 else band end,
        given_up_at = case when status <> 'waiting' or dispatched_at is null then given_up_at end,
        cell = oms.cell_at(cell, step)
    where id = new.id;
    return null;
end $$;

create or replace function oms.cell_at(cell int, step smallint) returns int
immutable language sql as $$ select cell / 64 * 64 + least(step, 63) $$;

drop trigger if exists jobs_settled on oms.jobs;
create trigger jobs_settled after update of status on oms.jobs for each row
when (
    (new.status = 'cancelled' and new.key is not null)
    or (new.status <> 'cancelled' and new.freed_key is not null)
    or (new.finished_at is null and (
        new.due is null or (new.status = 'waiting') <> (new.dispatched_at is null)
    ))
)
execute function oms.settle_job();
"""

#: What was written before the trigger, by ranges of ids.
DUE = """
update oms.jobs set due = sla
where id >= :first and id < :first + :bite and finished_at is null and due is null
"""
BITE = 50_000

VALID = text("select indisvalid from pg_index where indexrelid = to_regclass('oms.jobs_order')")
#: The backlog in the order in which it is taken; what a plan counts stands in it, too.
ORDER = """
create index {} jobs_order on oms.jobs (queue, agent, band, (-priority), due, id)
include (cell, sla, priority)
where dispatched_at is null and finished_at is null and ready_at is null
"""

BEFORE = """
drop trigger jobs_due on oms.jobs;
drop function oms.due_by_deadline;
drop trigger jobs_settled on oms.jobs;
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
create trigger jobs_settled after update of status on oms.jobs for each row
when (
    (new.status = 'cancelled' and new.key is not null)
    or (new.status <> 'cancelled' and new.freed_key is not null)
    or (new.finished_at is null and (new.status = 'waiting') <> (new.dispatched_at is null))
)
execute function oms.settle_job();
drop function oms.cell_at;
drop index oms.jobs_order;
create index jobs_backlog on oms.jobs (queue, agent, (-priority), sla, id)
    where dispatched_at is null and finished_at is null and ready_at is null;
alter table oms.jobs
    drop column cell, drop column band, drop column given_up_at, drop column must, drop column due;
"""


def upgrade() -> None:
    """Build the new index beside the old one, and let it take its place."""
    op.execute(COLUMNS)
    with op.get_context().autocommit_block():
        connection = op.get_bind()
        first, last = connection.execute(
            text("select coalesce(min(id), 0), coalesce(max(id), 0) from oms.jobs where finished_at is null")
        ).one()
        for start in range(first, last + 1, BITE):
            connection.execute(text(DUE), {"first": start, "bite": BITE})
        built = connection.scalar(VALID)
        if built is False:
            # It was interrupted half-way.
            op.execute("drop index concurrently oms.jobs_order")
        if not built:
            op.execute(ORDER.format("concurrently"))
        op.execute("drop index concurrently if exists oms.jobs_backlog")
        op.execute("analyze oms.jobs")


def downgrade() -> None:
    """Have one band again, ordered by deadline."""
    op.execute(BEFORE)
