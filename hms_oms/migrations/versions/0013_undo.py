"""Undo: a cancelled job gives its key back, and changes are kept for as long as they can be undone."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

UNDO = """
-- The cancelled job whose key this one has been given; jobs are never deleted.
alter table oms.jobs add column replaces bigint;
drop index oms.jobs_key;
create unique index jobs_key on oms.jobs (type, key) where key is not null and status <> 'cancelled';
create index jobs_cancelled_key on oms.jobs (type, key, id) where key is not null and status = 'cancelled';

-- What a person has changed, written in the transaction of the change.
create table oms.changes (
    id bigint generated always as identity primary key,
    at timestamptz not null default oms.now(),
    undo_until timestamptz not null,
    actor text not null,
    action text not null,      -- as `cancel` or `pause`
    queue text,                -- of a change to a queue, with how it was and how it is since
    before jsonb,
    after jsonb,
    undone_at timestamptz,
    undone_by text
);
create index changes_open on oms.changes (undo_until);

-- The jobs that a change has changed: the line of their diary that says so, and what they had before.
create table oms.changed_jobs (
    job_id bigint not null,
    event_id bigint not null,
    change_id bigint not null references oms.changes on delete cascade,
    priority int,
    queue text,
    ready_at timestamptz,
    restored boolean not null default false,
    primary key (job_id, event_id)
);
create index changed_jobs_change on oms.changed_jobs (change_id);
"""

# Only one job of a type can have a key again: the newest keeps it.
BACK = """
drop table oms.changed_jobs, oms.changes;
update oms.jobs as job set key = null
where job.status = 'cancelled' and job.key is not null
    and exists (
        select from oms.jobs as newer
        where newer.type = job.type and newer.key = job.key and newer.id > job.id
    );
drop index oms.jobs_cancelled_key, oms.jobs_key;
create unique index jobs_key on oms.jobs (type, key) where key is not null;
alter table oms.jobs drop column replaces;
"""


def upgrade() -> None:
    """Free the keys of cancelled jobs, and create the tables of what can be undone."""
    op.execute(UNDO)


def downgrade() -> None:
    """Remove the tables, and have every key belong to one job again."""
    op.execute(BACK)
