"""The door: badges that were taken back, and the audit trail of every change that came through it."""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

DOOR = """
create table oms.badges (
    id bigint generated always as identity unique,
    jti text primary key,
    actor text not null,
    roles text[] not null,
    queues text[],
    issued_by text,
    issued_at timestamptz not null default oms.now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    revoked_by text,
    reason text
);

create table oms.audit (
    id bigint generated always as identity primary key,
    at timestamptz not null default oms.now(),
    actor text not null,
    roles text[] not null,
    action text not null,      -- as `POST /jobs/{id}/cancel`
    subject text,              -- as `job-219` or a queue's name
    detail jsonb,
    reason text,
    source text,               -- the address that the request came from
    status smallint not null   -- the HTTP status of the answer
);
create index audit_recent on oms.audit (at);
create index audit_subject on oms.audit (subject, id) where subject is not null;
create trigger audit_append_only before update or delete on oms.audit
    for each row execute function oms.refuse_change();
"""


def upgrade() -> None:
    """Create the tables of the door."""
    op.execute(DOOR)


def downgrade() -> None:
    """Remove the tables of the door."""
    op.execute("drop table oms.audit, oms.badges")
