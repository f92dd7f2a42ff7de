"""Limits of how many jobs with one key start in a minute."""

from __future__ import annotations

from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

TABLES = """
-- No check: PostgreSQL would read all jobs for it, while nobody else may.
alter table oms.jobs add column if not exists limit_starts int;

-- A key with so many starts a minute has so many turns, each of which is had at most once within a minute.
-- A row is removed when it is older (let_in.sql).
create table if not exists oms.limited_starts (
    limit_key text not null,
    turn int not null,
    at timestamptz not null,
    primary key (limit_key, turn)
);
create index if not exists limited_starts_at on oms.limited_starts (at);

-- Whether a job with the key may start; then it has. Who takes jobs at the same moment (a dispatcher that has
-- lost its place) waits here, and is refused the turn that another has had.
create or replace function oms.start_limited(key text, most int) returns boolean
language plpgsql volatile as $$
begin
    insert into oms.limited_starts as start (limit_key, turn, at)
    select key, free.turn, oms.now()
    from generate_series(1, most) as free (turn)
    where not exists (
        select from oms.limited_starts as had
        where had.limit_key = key and had.turn = free.turn and had.at > oms.now() - interval '1 minute'
    )
    order by free.turn
    limit 1
    on conflict (limit_key, turn) do update set at = excluded.at
    where start.at <= excluded.at - interval '1 minute';
    return found;
end $$;
"""


def upgrade() -> None:
    """Add the column, the table and the function."""
    op.execute(TABLES)


def downgrade() -> None:
    """Remove them; jobs that had no other limit go one at a time."""
    op.execute(
        "update oms.jobs set limit_at_once = 1 where limit_starts is not null and limit_at_once is null"
    )
    op.execute("alter table oms.jobs drop column limit_starts")
    op.execute("drop function oms.start_limited")
    op.execute("drop table oms.limited_starts")
