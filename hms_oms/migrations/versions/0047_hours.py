"""The history of metrics by hours, so that a chart of months reads some thousand rows, not a million."""

from __future__ import annotations

from alembic import op

revision = "0047"
down_revision = "0046"
branch_labels = None
depends_on = None

HOURS = """
-- The samples of a whole hour of a metric, added up. Of `queue.length` the subject '' is all states together.
create table ops.sample_hours (
    at timestamptz not null,            -- the hour's start
    name text not null,
    queue text not null,
    subject text not null,
    samples int not null,
    total double precision not null,
    least double precision not null,
    most double precision not null,
    primary key (name, queue, subject, at)
);
create index sample_hours_pruned on ops.sample_hours using brin (at);

insert into ops.sample_hours (at, name, queue, subject, samples, total, least, most)
select date_trunc('hour', at, 'UTC'), name, queue, subject, count(*), sum(value), min(value), max(value)
from (
    select at, name, queue, subject, value from ops.samples
    union all
    select at, name, queue, '', sum(value) from ops.samples where name = 'queue.length'
    group by at, name, queue
) as minutes
where at < date_trunc('hour', oms.now(), 'UTC')
group by 1, 2, 3, 4;
"""


def upgrade() -> None:
    """Create the table, with the hours of the samples that there are."""
    op.execute(HOURS)


def downgrade() -> None:
    """Remove it; samples stay."""
    op.execute("drop table ops.sample_hours")
