"""How backlogs are put in order: the policy of each queue, its last plan, and what works take."""

from __future__ import annotations

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

PLANS = """
alter table oms.queues
    add column policy text not null default 'most-on-time'
        check (policy in ('most-on-time', 'deadline', 'fifo')),
    add column policy_set_by text,
    add column policy_set_at timestamptz;

-- When it is a job's turn. A job that must be on time has its turn earlier: by a tenth of its SLA, and by the
-- time of two such works at least.
create function oms.due(
    policy text, created_at timestamptz, sla timestamptz, sla_minutes float8, must boolean, upper float8
) returns timestamptz stable language sql as $$
    select case
        when policy = 'fifo' then created_at
        when must then sla - make_interval(secs => greatest(6 * sla_minutes, 2 * coalesce(upper, 0)))
        else sla
    end
$$;

-- What a job of a cell needs, in seconds of a slot; written by the leading dispatcher.
create table oms.work_estimates (
    cell int primary key,
    type text not null,
    step smallint not null,
    works int not null,              -- so many were measured lately
    mean float8 not null,
    upper float8 not null,           -- nine of ten stay below
    measured_at timestamptz not null default oms.now()
);

-- What the last plan of each queue has found; written by the leading dispatcher.
create table oms.backlog_plans (
    queue text primary key,
    planned_at timestamptz not null,
    jobs int not null,               -- in the backlog, of those that a plan may give up
    work float8 not null,            -- of all of these, in seconds of a slot
    slots int not null,
    given_up int not null,           -- of these jobs: `hopeless` ones could not be on time if they were next
    hopeless int not null,
    given_up_work float8 not null,
    given_up_since timestamptz       -- since when some of them are; null: none are
);
"""

BEFORE = """
drop table oms.backlog_plans, oms.work_estimates;
drop function oms.due;
alter table oms.queues drop column policy, drop column policy_set_by, drop column policy_set_at;
"""


def upgrade() -> None:
    """Add them; every queue keeps its order as long as everything fits."""
    op.execute(PLANS)


def downgrade() -> None:
    """Remove them."""
    op.execute(BEFORE)
