"""Whom a cancellation concerns, and what retention keeps of parts and of jobs that others have started."""

from __future__ import annotations

from alembic import op

revision = "0044"
down_revision = "0043"
branch_labels = None
depends_on = None

FAMILIES = """
-- What happens to a job happens to its parts, and to the jobs that it has started: these, each with the first
-- of `jobs` that it belongs to.
create function oms.family(jobs bigint[]) returns table (id bigint, root bigint) stable language sql as $$
    with recursive family (id, root) as (
        select asked.id, asked.id from unnest(jobs) as asked (id)
        union
        select other.id, family.root
        from family
        cross join lateral (
            select part.id from oms.jobs as part where part.parent_id = family.id and part.part is not null
            union all
            select child.job_id from oms.child_jobs as child
            where child.parent_id = family.id and child.created
        ) as other
    )
    select family.id, min(family.root) from family group by family.id
$$;

-- With which job it was cancelled, or is to be: the first of those that were named.
alter table oms.jobs add column if not exists cancelled_with bigint;

-- How the job had ended that retention has removed.
alter table oms.child_jobs add column status text;
create index child_jobs_started on oms.child_jobs (job_id) where job_id is not null;

-- A document without fields of these names, at any depth.
create function oms.without_names(document jsonb, names text[]) returns jsonb language plpgsql immutable as $$
begin
    if jsonb_typeof(document) = 'object' then
        return (
            select coalesce(jsonb_object_agg(key, case
                when jsonb_typeof(value) in ('object', 'array') then oms.without_names(value, names)
                else value
            end), '{}')
            from jsonb_each(document - names)
        );
    elsif jsonb_typeof(document) = 'array' then
        return (
            select coalesce(jsonb_agg(case
                when jsonb_typeof(value) in ('object', 'array') then oms.without_names(value, names)
                else value
            end order by place), '[]')
            from jsonb_array_elements(document) with ordinality as item (value, place)
        );
    end if;
    return document;
end $$;
"""

NEEDED = """
create or replace view oms.needed_jobs as
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
        and message.job_id is not null and member.job_id is distinct from message.job_id
"""
#: A job that waits for its parts needs them, and one that waits for jobs needs those that it or a part of it
#: has started. They are looked for from those that wait, which are few.
NEEDED_BY_WAITING = """
    union all
    select part.id
    from oms.jobs as whole
    join oms.jobs as part on part.parent_id = whole.id and part.part is not null
    where whole.event = '*parts' and whole.finished_at is null
    union all
    select child.job_id
    from oms.jobs as whole
    cross join lateral (
        select whole.id
        union all
        select part.id from oms.jobs as part where part.parent_id = whole.id and part.part is not null
    ) as asker
    join oms.child_jobs as child on child.parent_id = asker.id
    where whole.event = '*jobs' and whole.finished_at is null and child.job_id is not null
"""

BEFORE = """
drop function oms.without_names, oms.family;
drop index oms.child_jobs_started;
alter table oms.child_jobs drop column status;
alter table oms.jobs drop column cancelled_with;
"""


def upgrade() -> None:
    """Create the functions and the columns, and have jobs keep what they wait for."""
    op.execute(FAMILIES)
    op.execute(NEEDED + NEEDED_BY_WAITING)


def downgrade() -> None:
    """Remove them; what was cancelled with a job is reinstated with it."""
    op.execute(NEEDED)
    op.execute(BEFORE)
