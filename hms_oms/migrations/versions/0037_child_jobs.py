"""Jobs that steps have asked for, and that their job may wait for."""

from __future__ import annotations

from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

TABLES = """
-- Written together with the completion of the step that asks, so that it asks once; the dispatcher starts
-- the job.
-- No foreign key: it would hold the row of the job while the step runs.
create table oms.child_jobs (
    parent_id bigint not null,
    step smallint not null,
    number int not null,
    type text not null,
    payload jsonb,          -- until the job is accepted
    options jsonb not null,
    asked_at timestamptz not null default oms.now(),
    job_id bigint,          -- the job, which may have been there already
    created boolean,
    fault text,             -- why there is none
    primary key (parent_id, step, number)
);
create index child_jobs_asked on oms.child_jobs (asked_at) where job_id is null and fault is null;
"""


def upgrade() -> None:
    """Create the table."""
    op.execute(TABLES)


def downgrade() -> None:
    """Remove it."""
    op.execute("drop table oms.child_jobs")
