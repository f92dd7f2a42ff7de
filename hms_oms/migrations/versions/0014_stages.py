"""One incident for all that is about the deadlines of a queue, with a signal for each rule within it."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

STAGES = """
alter table ops.incidents
    add column signals jsonb not null default '{}',  -- what each rule says within it
    add column stage text,         -- the rule that it stands at, by its history
    add column called_for text,    -- the rule about which people were called last
    add column worsened boolean not null default false,  -- they were called because it became worse
    add column merged_into bigint references ops.incidents;

update ops.incidents
set
    signals = jsonb_build_object(
        rule || coalesce(':' || subject, ''),
        jsonb_build_object(
            'rule', rule, 'subject', subject, 'active_at', active_at, 'seen_at', last_true_at,
            'facts', facts, 'worst', worst, 'ripe', state <> 'pending', 'clear_since', clear_since
        )
    ),
    stage = case when opened_at is not null then rule end,
    called_for = case when opened_at is not null then rule end;

create function ops.family(rule text) returns text language sql immutable parallel safe
return case
    when rule in ('late', 'forecast', 'slow', 'no-worker', 'stalled') then 'deadlines' else rule
end;

-- Of the incidents of a queue that are about its deadlines, the one that says the worst takes in the others.
create temporary table taken_in on commit drop as
select
    id,
    state,
    reference,
    first_value(id) over best as whole,
    first_value(reference) over best as whole_reference
from ops.incidents
where state <> 'resolved' and ops.family(rule) = 'deadlines'
window best as (
    partition by queue
    order by
        state = 'pending',
        array_position(array['late', 'forecast', 'slow', 'no-worker', 'stalled'], rule),
        id
);

update ops.incidents as whole
set signals = parts.signals
from (
    select taken_in.whole as id, jsonb_object_agg(signal.key, signal.value) as signals
    from taken_in
    join ops.incidents as incident using (id)
    cross join jsonb_each(incident.signals) as signal
    group by taken_in.whole
) as parts
where parts.id = whole.id;

delete from taken_in where id = whole;

insert into ops.incident_events (incident_id, at, kind, detail)
select id, oms.now(), 'merged', jsonb_build_object('into', '#' || whole_reference)
from taken_in
where state <> 'pending';

update oms.messages as message
set state = 'cancelled', cancelled_at = oms.now(), finished_at = oms.now()
from taken_in
where message.incident_id = taken_in.id
    and message.state = 'pending' and not message.handed_over and message.carried is null;

update ops.incidents as part
set
    state = 'resolved', resolved_at = oms.now(), changed_at = oms.now(), merged_into = taken_in.whole,
    told_seq = part.page_seq, flapping = false, silenced = false
from taken_in
where taken_in.id = part.id and part.state <> 'pending';

delete from ops.incidents where state = 'pending' and id in (select id from taken_in);

drop index ops.incidents_one_open;
create unique index incidents_one_open
    on ops.incidents (ops.family(rule), coalesce(queue, ''), coalesce(subject, ''))
    where state <> 'resolved';
"""

BEFORE = """
drop index ops.incidents_one_open;
create unique index incidents_one_open on ops.incidents (rule, coalesce(queue, ''), coalesce(subject, ''))
    where state <> 'resolved';
drop function ops.family;
alter table ops.incidents
    drop column signals, drop column stage, drop column called_for, drop column worsened,
    drop column merged_into;
"""


def upgrade() -> None:
    """Let the rules about a queue's deadlines share one incident; open ones are merged."""
    op.execute(STAGES)


def downgrade() -> None:
    """Give each rule its own incident again; what was merged stays so."""
    op.execute(BEFORE)
