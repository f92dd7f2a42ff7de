"""Who leads: one lease per duty, and the fence that keeps a former leader from writing."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# A lease runs by the clock of the server, not by oms.now(): that one may be moved, and stands still within a
# transaction, while a lease says how long ago its holder was heard. Should the clock be set, nothing breaks:
# the fence decides who may write, and a stand-by also takes a lease that stood still while it watched.
LEADERS = """
create table oms.leaders (
    duty text primary key,
    holder text not null,          -- one process, ever
    host text not null,
    pid int not null,
    backend_pid int,               -- of the session that renews; null where a pooler is in between
    term bigint not null default 1,
    renewals bigint not null default 0,
    since timestamptz not null default clock_timestamp(),
    renewed_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null
);

-- The first statement of each transaction in which a leader writes. Who holds the shared lock keeps a
-- successor waiting, and who gets it after the successor has committed meets a new term: so nothing that a
-- former leader writes is committed after a new one leads. A lock of this kind ends with the transaction,
-- writes nothing to disk, and passes through a pooler.
create function oms.fence(the_duty text, the_term bigint) returns void language plpgsql as $$
begin
    perform pg_advisory_xact_lock_shared(5197139, hashtext(the_duty));
    if not exists (select from oms.leaders where duty = the_duty and term = the_term) then
        raise exception 'term % of % is over: another process leads', the_term, the_duty
            using errcode = 'LEASE';
    end if;
end $$;
"""


def upgrade() -> None:
    """Create the leases and the fence."""
    op.execute(LEADERS)


def downgrade() -> None:
    """Remove the leases and the fence."""
    op.execute("drop function oms.fence; drop table oms.leaders")
