"""Jobs that steps have asked for, and that their job may wait for."""

from __future__ import annotations

from alembic import op
from alembic.util import CommandError
from sqlalchemy import text

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

#: The release before would wait for them for good, and never start what is still to be started.
WAITING = text(
    "select count(*) from oms.jobs as job where finished_at is null and (event = '*jobs' or exists ("
    " select from oms.child_jobs where parent_id = job.id and job_id is null and fault is null))"
)
HAVE_THEM_END = "migrate to the newest revision, and let them end or cancel them, before you go back"


def upgrade() -> None:
    """Create the table."""
    op.execute(TABLES)


def downgrade() -> None:
    """Remove it. Raises CommandError while jobs wait for others, or for their start."""
    waiting = op.get_bind().scalar(WAITING)
    if waiting:
        raise CommandError(f"{waiting} jobs wait for jobs that they start: {HAVE_THEM_END}")
    op.execute("drop table oms.child_jobs")
