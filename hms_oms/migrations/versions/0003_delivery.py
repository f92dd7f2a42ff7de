"""The delivery of texts: leases, fences, an unknown state, reconciliation; pages go first."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

DELIVERY = """
alter table oms.messages drop constraint messages_state_check;
-- The local log, the only sender so far, knows its texts by their tokens: trying again is harmless.
update oms.messages set state = 'pending' where state = 'sending';
alter table oms.messages
    add column page boolean not null default false,
    add column incident_id bigint,
    add column reference text,
    -- It may go from here on; `due_at` is when it is looked at next: for its turn, after a fault, or to ask.
    add column not_before timestamptz not null default oms.now(),
    add column due_at timestamptz not null default oms.now(),
    add column expires_at timestamptz,
    add column since timestamptz not null default oms.now(),
    add column fence bigint not null default 0,
    add column lease_until timestamptz,
    -- The number of the present attempt, and how often that one was tried: one that surely did not reach
    -- the provider is tried again under its own number.
    add column attempts smallint not null default 0,
    add column tries int not null default 0,
    -- It may have reached the provider: from then on it keeps its wording, and goes by itself.
    add column handed_over boolean not null default false,
    -- How often the provider was asked what became of the text.
    add column polls smallint not null default 0,
    -- How often it was sent anew because the carrier failed to deliver it.
    add column renewals smallint not null default 0,
    -- Sent a second time after an answer was lost: the text says so.
    add column resend boolean not null default false,
    add column sid text unique,
    -- What went out in place of the body, where others were merged into this text.
    add column carried text,
    add column merged_into bigint references oms.messages,
    -- Since when nobody wants it any more; what was handed over by then goes on.
    add column cancelled_at timestamptz,
    add column fault text,
    add constraint messages_state_check check (state in (
        'pending', 'sending', 'unknown', 'accepted', 'sent', 'delivered', 'unconfirmed', 'undelivered',
        'failed', 'cancelled', 'expired', 'merged'
    )),
    add constraint messages_lease_check check ((lease_until is not null) = (state = 'sending')),
    add constraint messages_merged_check check ((merged_into is not null) = (state = 'merged'));
update oms.messages as message
set attempts = made.number, tries = (message.state = 'pending')::int, handed_over = true
from (select message_id, max(number) as number from oms.message_attempts group by message_id) as made
where made.message_id = message.id;
drop index oms.messages_pending;
-- Each index is named after its reader.
create index messages_due on oms.messages (page, due_at, id) where state = 'pending';
create index messages_expiring on oms.messages (expires_at)
    where state = 'pending' and expires_at is not null;
create index messages_leased on oms.messages (lease_until) where state = 'sending';
create index messages_asked on oms.messages (page, due_at, id)
    where state in ('unknown', 'accepted', 'sent');
create index messages_of_phone on oms.messages (recipient, created_at) where page;
create index messages_merged on oms.messages (merged_into) where merged_into is not null;
create index messages_written on oms.messages using brin (created_at);

alter table oms.message_attempts
    add column fence bigint not null default 0,
    add column http_status smallint,
    add column code text,
    add column sid text unique;

-- What the provider calls back is kept, also when it comes before the answer to the POST.
create table oms.callbacks (
    id bigint generated always as identity primary key,
    token text not null unique,
    message_id bigint,
    attempt int,
    sid text,
    status text not null,
    code text,
    received_at timestamptz not null default oms.now(),
    applied_at timestamptz
);
create index callbacks_early on oms.callbacks (sid) where applied_at is null;

-- Phones that have answered STOP; no text goes to them until they answer START.
create table oms.opt_outs (
    phone text primary key,
    opted_out_at timestamptz not null default oms.now()
);

-- What people texted back, and what they were told.
create table oms.replies (
    id bigint generated always as identity primary key,
    phone text not null,
    body text not null,
    answer text not null,
    understood boolean not null,
    received_at timestamptz not null default oms.now()
);
create index replies_of_phone on oms.replies (phone, received_at);
"""

BACK = """
drop table oms.replies;
drop table oms.opt_outs;
drop table oms.callbacks;
alter table oms.message_attempts
    drop column fence, drop column http_status, drop column code, drop column sid;
drop index oms.messages_due, oms.messages_expiring, oms.messages_leased, oms.messages_asked,
    oms.messages_of_phone, oms.messages_merged, oms.messages_written;
alter table oms.messages
    drop constraint messages_state_check,
    drop constraint messages_lease_check,
    drop constraint messages_merged_check;
update oms.messages set state = case
    when state in ('sending', 'unknown') then 'pending'
    when state in ('accepted', 'sent', 'unconfirmed', 'merged') then 'delivered'
    when state in ('undelivered', 'cancelled', 'expired') then 'failed'
    else state end;
alter table oms.messages
    drop column page, drop column incident_id, drop column reference, drop column not_before,
    drop column due_at, drop column expires_at, drop column since, drop column fence, drop column lease_until,
    drop column attempts, drop column tries, drop column handed_over,
    drop column polls, drop column renewals, drop column resend,
    drop column sid, drop column carried,
    drop column merged_into, drop column cancelled_at, drop column fault,
    add constraint messages_state_check check (state in ('pending', 'sending', 'delivered', 'failed'));
create index messages_pending on oms.messages (id) where state in ('pending', 'sending');
"""


def upgrade() -> None:
    """Give texts all that their delivery needs to be exact."""
    op.execute(DELIVERY)


def downgrade() -> None:
    """Go back to texts that are pending or delivered."""
    op.execute(BACK)
