"""The policy `defer`: what cannot be on time is held back until no other job waits."""

from __future__ import annotations

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None

CHECK = """
alter table oms.queues drop constraint if exists queues_policy_check;
alter table oms.queues add constraint queues_policy_check
    check (policy in ('most-on-time', 'deadline', 'fifo', 'defer'));
"""

BEFORE = """
update oms.queues set policy = 'most-on-time' where policy = 'defer';
alter table oms.queues drop constraint queues_policy_check;
alter table oms.queues add constraint queues_policy_check
    check (policy in ('most-on-time', 'deadline', 'fifo'));
"""


def upgrade() -> None:
    """Allow it."""
    op.execute(CHECK)


def downgrade() -> None:
    """Queues that defer give up as by default."""
    op.execute(BEFORE)
