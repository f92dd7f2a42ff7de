"""Parts of a step: jobs of the same recipe that do one step for another job, side by side."""

from __future__ import annotations

from alembic import op
from alembic.util import CommandError
from sqlalchemy import text

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

COLUMNS = """
alter table oms.jobs
    -- The job whose step this one is a part of, and which part it is, from 0. A part is work, and no job.
    add column if not exists parent_id bigint,
    add column if not exists part int check (part >= 0);

-- Parts that have ended since their parent was looked at last (take_up_parts.sql). Each has a row of its own,
-- so that the last two may end at the same moment without one waiting for the other.
create table if not exists oms.ended_parts (
    parent_id bigint not null,
    job_id bigint not null,
    primary key (parent_id, job_id)
);

create or replace function oms.parts_pending() returns timestamptz immutable language sql as $$
    select timestamptz '9998-01-01 00:00:00+00'
$$;

-- Runs with the rights of its owner: who ends a part need not know of parents.
create or replace function oms.end_part() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
    insert into oms.ended_parts (parent_id, job_id) values (new.parent_id, new.id) on conflict do nothing;
    -- No notification: transactions that notify commit one at a time. The dispatcher looks while jobs wait.
    return null;
end $$;

drop trigger if exists jobs_part_ended on oms.jobs;
create trigger jobs_part_ended after update of status on oms.jobs for each row
when (new.part is not null and old.finished_at is null and new.finished_at is not null)
execute function oms.end_part();

-- A part is told of with its job.
drop trigger if exists jobs_announced on oms.jobs;
create trigger jobs_announced after update of status on oms.jobs for each row
when (old.finished_at is null and new.finished_at is not null and new.part is null)
execute function ops.announce_end();
"""

HELD = """
create or replace view oms.held_jobs as
    select job_id from oms.holds where job_id is not null and ended_at is null
    union all
    select job.id
    from oms.holds as hold
    join oms.jobs as job on job.batch_id = hold.batch_id
    where hold.ended_at is null
    union all
    select job.id
    from oms.holds as hold
    join oms.jobs as job on job.key = hold.key
    where hold.ended_at is null and coalesce(hold.type = job.type, true)
    union all
    select job.id
    from oms.holds as hold
    join oms.jobs as job on job.freed_key = hold.key
    where hold.ended_at is null and coalesce(hold.type = job.type, true)
"""
#: The parts of a job that is held are held with it.
HELD_PARTS = """
    union all
    select part.id
    from oms.jobs as part
    join oms.jobs as job on job.id = part.parent_id
    join oms.holds as hold on hold.ended_at is null and (
        hold.job_id = job.id
        or hold.batch_id = job.batch_id
        or (coalesce(hold.type = job.type, true) and hold.key in (job.key, job.freed_key))
    )
    where part.part is not null
"""

BEFORE = """
drop trigger jobs_announced on oms.jobs;
create trigger jobs_announced after update of status on oms.jobs for each row
when (old.finished_at is null and new.finished_at is not null)
execute function ops.announce_end();
drop trigger jobs_part_ended on oms.jobs;
drop function oms.end_part, oms.parts_pending;
drop table oms.ended_parts;
drop index oms.jobs_parts;
alter table oms.jobs drop column parent_id, drop column part;
"""

#: The release before would take an open part for a whole job, and go on to the step after it.
WAITING = text(
    "select count(*) from oms.jobs where finished_at is null and (event = '*parts' or part is not null)"
)
HAVE_THEM_END = "migrate to the newest revision, and let them end or cancel them, before you go back"
VALID = text("select indisvalid from pg_index where indexrelid = to_regclass('oms.jobs_parts')")


def upgrade() -> None:
    """Add the columns, the table and the triggers, and, while everybody goes on, the index of parts."""
    op.execute(COLUMNS)
    op.execute(HELD + HELD_PARTS)
    with op.get_context().autocommit_block():
        built = op.get_bind().scalar(VALID)
        if built is False:
            # It was interrupted half-way.
            op.execute("drop index concurrently oms.jobs_parts")
        if not built:
            op.execute(
                "create index concurrently jobs_parts on oms.jobs (parent_id, part)"
                " where parent_id is not null"
            )


def downgrade() -> None:
    """Remove them; parts that have ended are jobs like others. Raises CommandError while some have not."""
    waiting = op.get_bind().scalar(WAITING)
    if waiting:
        raise CommandError(f"{waiting} jobs wait for parts, or are parts: {HAVE_THEM_END}")
    op.execute(HELD)
    op.execute(BEFORE)
