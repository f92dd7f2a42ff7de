"""The delivery of texts: leases, fences, an unknown state, reconciliation; pages go first."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

DELIVERY = """
alter table oms.messages drop constraint messages_state_check;
alter table oms.messages
    add column page boolean not null default false,
    add column incident_id bigint,
    add column reference text,
    add column not_before timestamptz not null default oms.now(),
    add column expires_at timestamptz,
    add column fence bigint not null default 0,
    add column lease_until timestamptz,
    -- How often the provider was asked what became of a text whose answer was lost.
    add column polls smallint not null default 0,
    -- Sent a second time after an answer was lost: the body says so.
    add column resend boolean not null default false,
    add column sid text unique,
    add column merged_into bigint references oms.messages,
    add column fault text,
    add constraint messages_state_check check (state in (
        'pending', 'sending', 'unknown', 'accepted', 'sent', 'delivered', 'unconfirmed', 'undelivered',
        'failed', 'cancelled', 'expired', 'merged'
    ));
drop index oms.messages_pending;
create index messages_due on oms.messages (page desc, not_before, id)
    where state in ('pending', 'sending', 'unknown');
create index messages_unconfirmed on oms.messages (id) where state in ('accepted', 'sent');
create index messages_pages on oms.messages (recipient, created_at) where page;

alter table oms.message_attempts
    add column fence bigint not null default 0,
    add column http_status smallint,
    add column code text,
    add column sid text;

-- What the provider calls back is kept, also when it comes before the answer to the POST.
create table oms.callbacks (
    id bigint generated always as identity primary key,
    token text not null unique,
    message_id bigint,
    sid text,
    status text not null,
    code text,
    received_at timestamptz not null default oms.now(),
    applied_at timestamptz
);

-- Phones that have answered STOP; no text goes to them until they answer START.
create table oms.opt_outs (
    phone text primary key,
    opted_out_at timestamptz not null default oms.now()
);
"""

BACK = """
drop table oms.opt_outs;
drop table oms.callbacks;
alter table oms.message_attempts
    drop column fence, drop column http_status, drop column code, drop column sid;
drop index oms.messages_due, oms.messages_unconfirmed, oms.messages_pages;
alter table oms.messages drop constraint messages_state_check;
update oms.messages set state = case
    when state in ('sending', 'unknown') then 'pending'
    when state in ('accepted', 'sent', 'unconfirmed', 'merged') then 'delivered'
    when state in ('undelivered', 'cancelled', 'expired') then 'failed'
    else state end;
alter table oms.messages
    drop column page, drop column incident_id, drop column reference, drop column not_before,
    drop column expires_at, drop column fence, drop column lease_until, drop column polls, drop column resend,
    drop column sid, drop column merged_into, drop column fault,
    add constraint messages_state_check check (state in ('pending', 'sending', 'delivered', 'failed'));
create index messages_pending on oms.messages (id) where state in ('pending', 'sending');
"""


def upgrade() -> None:
    """Give texts all that their delivery needs to be exact."""
    op.execute(DELIVERY)


def downgrade() -> None:
    """Go back to texts that are pending or delivered."""
    op.execute(BACK)
