"""Limits: who has set a queue's window and its starts a minute, and when."""

from __future__ import annotations

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

LIMITS = """
alter table oms.queues
    add column starts_set_by text,
    add column starts_set_at timestamptz,
    add column window_set_by text,
    add column window_set_at timestamptz;

-- Limits that were set before: by the last one who changed the number. Who only asks leaves a line, too.
with told as (
    select
        id, at, actor, subject, detail,
        lag(detail) over (partition by subject order by id) as before
    from oms.audit
    where action = 'POST /queues/{queue}/limit' and status < 300 and detail is not null
),
starts as (
    select distinct on (subject) subject, actor, at
    from told
    where detail ->> 'startsPerMinute' is distinct from before ->> 'startsPerMinute'
    order by subject, id desc
),
sizes as (
    select distinct on (subject) subject, actor, at
    from told
    where detail ->> 'window' is distinct from before ->> 'window'
    order by subject, id desc
)
update oms.queues as queue set
    starts_set_by = case when queue.starts_per_minute is not null then starts.actor end,
    starts_set_at = case when queue.starts_per_minute is not null then starts.at end,
    window_set_by = case when queue.window_size is not null then sizes.actor end,
    window_set_at = case when queue.window_size is not null then sizes.at end
from oms.queues as same
left join starts on starts.subject = same.name
left join sizes on sizes.subject = same.name
where same.name = queue.name;
"""


def upgrade() -> None:
    """Add who has set the limits of a queue."""
    op.execute(LIMITS)


def downgrade() -> None:
    """Forget who has set them."""
    op.execute(
        "alter table oms.queues drop column starts_set_by, drop column starts_set_at,"
        " drop column window_set_by, drop column window_set_at"
    )
