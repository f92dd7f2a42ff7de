"""Retention: what is kept of jobs that are removed, which keys stay known, what is held, what was erased."""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

RETENTION = """
-- What the newest recipe of a type says of keeping its jobs; what it does not say, the settings do.
create table oms.retention_rules (
    type text primary key,
    keep jsonb not null,       -- as {"jobs": "400d"}
    personal jsonb not null    -- the fields of a payload that hold personal data, each as a path
);

-- The sums of jobs that were removed, written by the pruner in the transaction that removes them. A quarter
-- of an hour is the largest piece of which the days of every time zone are made.
create table oms.job_sums (
    quarter timestamptz not null,    -- its start; a job counts where it ended
    queue text not null,
    type text not null,
    sla_minutes double precision not null,
    done int not null,
    failed int not null,
    cancelled int not null,
    on_time int not null,
    late int not null,
    seconds_late double precision[] not null,  -- of each that ended past its deadline
    outcomes jsonb not null,                   -- how many of those done had which
    started int not null,                      -- of these, and in all, from acceptance on:
    wait_seconds double precision not null,    -- until the first step
    total_seconds double precision not null,   -- until the end
    primary key (quarter, queue, type, sla_minutes)
);

-- Keys of jobs that are removed, or soon will be: asking again with one starts nothing until it is forgotten.
create table oms.known_keys (
    type text not null,
    key text not null,
    job_id bigint not null,
    queue text not null,
    status text not null,
    outcome text,
    sla timestamptz not null,
    sla_minutes double precision not null,
    finished_at timestamptz not null,
    -- The job is removed only when every acceptance that may not have seen this line is over.
    noted_by xid8 not null default pg_current_xact_id(),
    noted_at timestamptz not null default oms.now(),
    removed_at timestamptz,
    primary key (type, key)
);
create index known_keys_forgotten on oms.known_keys (type, finished_at) where removed_at is not null;
create index known_keys_pending on oms.known_keys (job_id) where removed_at is null;

-- Legal holds: while one lasts, nothing of its jobs is removed or erased.
create table oms.holds (
    id bigint generated always as identity primary key,
    job_id bigint,
    key text,
    type text,         -- with a key: of this job type only
    batch_id bigint,
    reason text not null,
    set_by text not null,
    set_at timestamptz not null default oms.now(),
    ended_at timestamptz,
    ended_by text,
    end_reason text,
    check (num_nonnulls(job_id, key, batch_id) = 1),
    check (type is null or key is not null)
);

alter table oms.jobs add column erased_at timestamptz;
alter table oms.messages add column erased_at timestamptz;
alter table oms.batches
    add column final_report jsonb,         -- what came of it, before the first of its jobs was removed
    add column rows_erased_at timestamptz;

create view oms.held_jobs as
    select job_id from oms.holds where job_id is not null and ended_at is null
    union all
    select job.id
    from oms.holds as hold
    join oms.jobs as job on job.batch_id = hold.batch_id
    where hold.ended_at is null
    union all
    select job.id
    from oms.holds as hold
    join oms.jobs as job on job.key = hold.key
    where hold.ended_at is null and coalesce(hold.type = job.type, true)
    union all
    select job.id
    from oms.holds as hold
    join oms.jobs as job on job.freed_key = hold.key
    where hold.ended_at is null and coalesce(hold.type = job.type, true);

-- Jobs that somebody or something still needs though they have ended: for a legal hold, an open incident, a
-- change that can be undone, or a text on its way (also for one of another job that goes with it). Their
-- cycles may need them, too. A job may be in it more than once.
create view oms.needed_jobs as
    select job_id from oms.held_jobs
    union all
    select listed.job_id
    from ops.incidents as incident
    join ops.incident_jobs as listed on listed.incident_id = incident.id
    where incident.state <> 'resolved'
    union all
    select kept.job_id
    from oms.changes as change
    join oms.changed_jobs as kept on kept.change_id = change.id
    where change.undo_until > oms.now() and change.undone_at is null
    union all
    -- As the indexes of those who deliver them have it, so that no ended text is looked at.
    select job_id from oms.messages where state = 'pending' and job_id is not null
    union all
    select job_id from oms.messages where state = 'sending' and job_id is not null
    union all
    select job_id from oms.messages where state in ('unknown', 'accepted', 'sent') and job_id is not null
    union all
    select message.job_id
    from oms.messages as member
    join oms.messages as message on message.id = member.merged_into
    where member.merged_into is not null
        and message.job_id is not null and member.job_id is distinct from message.job_id;

-- A document without these paths.
create function oms.without(document jsonb, paths jsonb) returns jsonb language plpgsql immutable as $$
declare path jsonb;
begin
    for path in select jsonb_array_elements(paths) loop
        document := document #- array(select jsonb_array_elements_text(path));
    end loop;
    return document;
end $$;

-- Two objects of names and numbers, added up.
create function oms.added(one jsonb, other jsonb) returns jsonb language sql immutable as $$
    select coalesce(jsonb_object_agg(name, number), '{}')
    from (
        select name, sum(number::bigint) as number
        from (
            select * from jsonb_each_text(one) union all select * from jsonb_each_text(other)
        ) as pair (name, number)
        group by name
    ) as summed
$$;

-- Histories are added to and not changed; only the pruner removes what is old, and says so for its
-- transaction. Who may do that is a matter of rights.
create or replace function oms.refuse_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('oms.retention', true) = 'on'
        and tg_relid in ('oms.job_events'::regclass, 'oms.audit'::regclass)
    then
        return old;
    end if;
    raise exception '% is append-only', tg_table_name;
end $$;
"""

BEFORE = """
create or replace function oms.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name;
end $$;
drop function oms.added(jsonb, jsonb), oms.without(jsonb, jsonb);
drop view oms.needed_jobs, oms.held_jobs;
alter table oms.batches drop column final_report, drop column rows_erased_at;
alter table oms.messages drop column erased_at;
alter table oms.jobs drop column erased_at;
drop table oms.holds, oms.known_keys, oms.job_sums, oms.retention_rules;
"""


def upgrade() -> None:
    """Create the tables and functions of retention; existing rows are not rewritten."""
    op.execute(RETENTION)


def downgrade() -> None:
    """Remove them, and with them the sums of what was removed."""
    op.execute(BEFORE)
