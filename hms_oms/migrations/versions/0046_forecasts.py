"""Forecasts of jobs with what came of them, and what comes to each queue by time of day."""

from __future__ import annotations

from alembic import op

revision = "0046"
down_revision = "0045"
branch_labels = None
depends_on = None

TABLES = """
-- What was said of a job at a moment, and what came of it. Lengths of time are seconds from `at`.
create table ops.forecasts (
    id bigint generated always as identity primary key,
    queue text not null,
    job_id bigint not null,
    at timestamptz not null,
    is_last boolean not null,          -- the last job of the line: then all of it are done
    deadline timestamptz not null,
    priority int not null,
    mean float8 not null,              -- the job ends after so long on average ...
    deviation float8 not null,         -- ... with this standard deviation,
    median float8 not null,            -- ... as likely before this as after it,
    latest float8 not null,            -- ... and by then in 95 of 100 cases:
    learnt_from int not null,          -- as so many forecasts say that have been settled.
    chance float8 not null,            -- That it is late.
    missed boolean,                    -- whether it ended after `latest`; null: that is ahead
    ended float8                       -- when it ended; null: it is open
);
create index forecasts_of_queue on ops.forecasts (queue, id);
create index forecasts_open on ops.forecasts (id) where ended is null;

-- The share of limits of each queue that need not hold, as adapted by those that were settled.
create table ops.forecast_levels (
    queue text primary key,
    level float8 not null
);

-- How many jobs came to each queue within a quarter of an hour, by how many seconds after that they were due.
create table ops.arrivals (
    queue text not null,
    since timestamptz not null,
    sla float8 not null,
    jobs int not null,
    primary key (queue, since, sla)
);

-- Up to which moment arrivals are counted, and the job behind which the next count begins to look.
create table ops.arrivals_counted (
    is_only boolean primary key default true check (is_only),
    until timestamptz not null,
    job_id bigint not null
);
insert into ops.arrivals_counted (until, job_id)
select oms.now(), coalesce(max(id), 0) from oms.jobs;
insert into ops.arrivals (queue, since, sla, jobs)
select
    queue, date_bin('15 minutes', created_at, '2000-01-01 00:00+00'),
    60 * round(date_part('epoch', sla - created_at) / 60), count(*)
from oms.jobs
where part is null and created_at > oms.now() - interval '10 days'
    and created_at < (select until from ops.arrivals_counted) and sla > created_at
group by 1, 2, 3;
"""


def upgrade() -> None:
    """Create the tables; the profile begins with the jobs of the last ten days."""
    op.execute(TABLES)


def downgrade() -> None:
    """Remove them."""
    op.execute("drop table ops.forecasts, ops.forecast_levels, ops.arrivals, ops.arrivals_counted")
