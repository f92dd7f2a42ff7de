"""The event log in months: what is over its time is dropped by the month, where nothing in it is needed.

The lines that there are become the first part, as they lie; the months to come get parts of their own.
No part shares an index with another, so none is built here. Numbers stay unique by their one sequence.
"""

from __future__ import annotations

from alembic import op
from sqlalchemy import text

revision = "0056"
down_revision = "0055"
branch_labels = None
depends_on = None

#: The first month that gets a part of its own: no line is as late, nor will be while this runs.
FIRST = text("""
select date_trunc('month', greatest(max(at), now()) + interval '2 months', 'UTC') from oms.job_events
""")
#: Reports wait behind a lock that is waited for: it is asked for in moments, with some between for them.
LOCKED = """
do $$
begin
    for number in 1..300 loop
        begin
            perform set_config('lock_timeout', '300ms', true);
            lock table oms.job_events in access exclusive mode;
            perform set_config('lock_timeout', '0', true);
            return;
        exception when lock_not_available then
            perform pg_sleep(0.5);
        end;
    end loop;
    raise exception 'oms.job_events was read for minutes: end that transaction, or migrate again later';
end $$;
"""
BOUNDED = """
alter table oms.job_events drop constraint if exists job_events_first_bound;
alter table oms.job_events add constraint job_events_first_bound check (at < '{first}') not valid;
"""
VALIDATED = "alter table oms.job_events validate constraint job_events_first_bound"

#: Moves the rights on one table or sequence to another.
RIGHTS = """
do $$
declare given record;
begin
    for given in
        select
            case when acl.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(acl.grantee)) end
                as grantee,
            string_agg(acl.privilege_type, ', ') as rights
        from pg_class as class, aclexplode(class.relacl) as acl
        where class.oid = '{source}'::regclass and acl.grantee <> class.relowner
        group by acl.grantee
    loop
        execute format('grant %s on {kind} {target} to %s', given.rights, given.grantee);
        execute format('revoke all on {kind} {source} from %s', given.grantee);
    end loop;
end $$;
"""
#: Who adds lines draws their numbers, which needed no right of a column that counts by itself.
DRAWING = """
do $$
declare name text;
begin
    for name in
        select case when acl.grantee = 0 then 'public' else quote_ident(pg_get_userbyid(acl.grantee)) end
        from pg_class as class, aclexplode(class.relacl) as acl
        where class.oid = 'oms.job_events'::regclass and acl.grantee <> class.relowner
            and acl.privilege_type = 'INSERT'
    loop
        execute format('grant usage on sequence oms.job_events_id_seq to %s', name);
    end loop;
end $$;
"""

NUMBERS = """
create sequence oms.job_events_numbers;
select setval('oms.job_events_numbers', last_value, is_called) from oms.job_events_id_seq;
"""
MONTHS = """
drop trigger job_events_append_only on oms.job_events;
alter table oms.job_events alter column id drop identity;
alter sequence oms.job_events_numbers rename to job_events_id_seq;
alter table oms.job_events rename to job_events_first;
alter index oms.job_events_pkey rename to job_events_first_pkey;
alter index oms.job_events_recent rename to job_events_first_recent;

create table oms.job_events (like oms.job_events_first including defaults) partition by range (at);
alter table oms.job_events alter column id set default nextval('oms.job_events_id_seq');
alter sequence oms.job_events_id_seq owned by oms.job_events.id;

create or replace function oms.refuse_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('oms.retention', true) = 'on'
        and (tg_argv[0] = 'job_events' or tg_relid = 'oms.audit'::regclass)
    then
        return old;
    end if;
    raise exception '% is append-only', coalesce(tg_argv[0], tg_table_name);
end $$;
create trigger job_events_append_only before update or delete on oms.job_events
    for each row execute function oms.refuse_change('job_events');

alter table oms.job_events attach partition oms.job_events_first for values from (minvalue) to ('{first}');
alter table oms.job_events_first drop constraint job_events_first_bound;
-- No job stops for want of a month: a line that has none stands here, until it has.
create table oms.job_events_unplaced partition of oms.job_events default;
alter table oms.job_events_unplaced add primary key (job_id, id);
create index job_events_unplaced_recent on oms.job_events_unplaced using brin (id, at)
    with (pages_per_range = 8, autosummarize = on);

create view oms.event_months as
    select
        class.relname::text as name,
        coalesce(
            substring(part.bound from 'FROM \\(''([^'']+)''\\)')::timestamptz, '-infinity'
        ) as starts_at,
        substring(part.bound from 'TO \\(''([^'']+)''\\)')::timestamptz as ends_at
    from pg_inherits as inherits
    join pg_class as class on class.oid = inherits.inhrelid
    cross join lateral (select pg_get_expr(class.relpartbound, class.oid)) as part (bound)
    where inherits.inhparent = 'oms.job_events'::regclass and part.bound <> 'DEFAULT';

-- These run with the rights of their owner, for those only who may remove lines: they need own no table.

-- Have the log in months up to a moment. Lines that stood without one are moved into theirs; how many, and
-- how many have none still.
create function oms.add_event_months(until timestamptz) returns table (moved bigint, unplaced bigint)
language plpgsql security definer set search_path = pg_catalog as $$
declare
    starts timestamptz := coalesce(
        (select max(ends_at) from oms.event_months), date_trunc('month', until, 'UTC')
    );
    ends timestamptz;
    month text;
    lines bigint;
begin
    if not has_table_privilege(session_user, 'oms.job_events', 'delete') then
        raise insufficient_privilege using message = 'permission denied to add months to oms.job_events';
    end if;
    moved := 0;
    while starts < until loop
        ends := (starts at time zone 'UTC' + interval '1 month') at time zone 'UTC';
        month := 'job_events_' || to_char(starts at time zone 'UTC', 'YYYY_MM');
        execute format('create table oms.%I (like oms.job_events)', month);
        execute format('alter table oms.%I add primary key (job_id, id)', month);
        execute format(
            'create index %I on oms.%I using brin (id, at) with (pages_per_range = 8, autosummarize = on)',
            month || '_recent', month
        );
        if exists (select from oms.job_events_unplaced where at >= starts and at < ends) then
            perform set_config('oms.retention', 'on', true);
            execute format(
                'with moved as (delete from oms.job_events_unplaced where at >= %L and at < %L returning *)'
                ' insert into oms.%I select * from moved',
                starts, ends, month
            );
            get diagnostics lines = row_count;
            moved := moved + lines;
            perform set_config('oms.retention', 'off', true);
        end if;
        execute format(
            'alter table oms.job_events attach partition oms.%I for values from (%L) to (%L)',
            month, starts, ends
        );
        starts := ends;
    end loop;
    select count(*) into unplaced from oms.job_events_unplaced;
    return next;
end $$;

-- Drop a month of the log; false while somebody reads it.
create function oms.drop_event_month(month text) returns boolean
language plpgsql security definer set search_path = pg_catalog as $$
begin
    if not has_table_privilege(session_user, 'oms.job_events', 'delete') then
        raise insufficient_privilege using message = 'permission denied to drop a month of oms.job_events';
    end if;
    if not exists (select from oms.event_months as known where known.name = month) then
        raise undefined_table using message = format('oms.job_events has no month %s', month);
    end if;
    execute format('drop table oms.%I', month);
    return true;
exception when lock_not_available then
    return false;
end $$;
"""

BACK = """
drop function oms.drop_event_month, oms.add_event_months;
drop view oms.event_months;
do $$
begin
    if to_regclass('oms.job_events_first') is not null then
        alter table oms.job_events detach partition oms.job_events_first;
        drop trigger if exists job_events_append_only on oms.job_events_first;
    else
        create table oms.job_events_first (like oms.job_events);
        alter table oms.job_events_first alter column at set default oms.now();
        alter table oms.job_events_first add primary key (job_id, id);
        create index job_events_first_recent on oms.job_events_first using brin (id, at)
            with (pages_per_range = 8, autosummarize = on);
    end if;
end $$;
insert into oms.job_events_first select * from oms.job_events order by id;
alter sequence oms.job_events_id_seq owned by none;
alter table oms.job_events alter column id drop default;
alter sequence oms.job_events_id_seq rename to job_events_numbers;
"""
ONE_TABLE = """
drop table oms.job_events;
alter table oms.job_events_first rename to job_events;
alter index oms.job_events_first_pkey rename to job_events_pkey;
alter index oms.job_events_first_recent rename to job_events_recent;
alter table oms.job_events alter column id add generated always as identity;
select setval('oms.job_events_id_seq', last_value, is_called) from oms.job_events_numbers;
create or replace function oms.refuse_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('oms.retention', true) = 'on'
        and tg_relid in ('oms.job_events'::regclass, 'oms.audit'::regclass)
    then
        return old;
    end if;
    raise exception '% is append-only', tg_table_name;
end $$;
create trigger job_events_append_only before update or delete on oms.job_events
    for each row execute function oms.refuse_change();
"""


def upgrade() -> None:
    """Look through the log while everybody goes on, and then make it the first part in a moment."""
    with op.get_context().autocommit_block():
        first = op.get_bind().scalar(FIRST).isoformat()
        op.execute(LOCKED + BOUNDED.replace("{first}", first))
        op.execute(VALIDATED)
    op.execute(LOCKED + NUMBERS)
    op.execute(_rights("oms.job_events_id_seq", "oms.job_events_numbers", "sequence"))
    op.execute(MONTHS.replace("{first}", first))
    op.execute(_rights("oms.job_events_first", "oms.job_events"))
    op.execute(DRAWING)
    op.execute("select oms.add_event_months(now() + interval '3 months')")


def downgrade() -> None:
    """Copy the lines of all months into the first part, and make it the whole log again."""
    op.execute(LOCKED + BACK)
    op.execute(_rights("oms.job_events", "oms.job_events_first"))
    op.execute(ONE_TABLE)
    op.execute(_rights("oms.job_events_numbers", "oms.job_events_id_seq", "sequence"))
    op.execute("drop sequence oms.job_events_numbers")


def _rights(source: str, target: str, kind: str = "table") -> str:
    return RIGHTS.replace("{source}", source).replace("{target}", target).replace("{kind}", kind)
