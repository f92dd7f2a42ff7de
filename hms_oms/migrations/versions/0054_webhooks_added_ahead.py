"""Events go to a webhook that was added by a clock that has been set back since."""

from __future__ import annotations

from alembic import op

revision = "0054"
down_revision = "0053"
branch_labels = None
depends_on = None

ANNOUNCE = """
create or replace function ops.announce(
    event_id text, event text, subject text, at timestamptz, queue text, type text, data jsonb
) returns void language sql as $$
    insert into ops.webhook_deliveries (webhook_id, event_id, event, subject, at, data)
    select webhook.id, announce.event_id, announce.event, announce.subject, announce.at, announce.data
    from ops.webhooks as webhook
    where webhook.removed_at is null
        and announce.event = any(webhook.events)
        and (webhook.queue is null or webhook.queue = announce.queue)
        and (webhook.type is null or webhook.type = announce.type)
        and {condition}
    on conflict do nothing
$$;
"""


def upgrade() -> None:
    """What is before a webhook is not told to it, unless its own time has not come yet."""
    op.execute(
        ANNOUNCE.format(condition="(webhook.created_at <= announce.at or webhook.created_at > oms.now())")
    )


def downgrade() -> None:
    """Go by its time alone."""
    op.execute(ANNOUNCE.format(condition="webhook.created_at <= announce.at"))
