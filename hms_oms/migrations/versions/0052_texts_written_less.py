"""Texts without an index entry, at each of their changes, for an id of the provider that they do not have."""

from __future__ import annotations

from alembic import op

revision = "0052"
down_revision = "0051"
branch_labels = None
depends_on = None

# What changes once or twice has room for that in its page: an attempt then needs no new entry in any index.
UPGRADE = """
create unique index messages_sid on oms.messages (sid) where sid is not null;
alter table oms.messages drop constraint messages_sid_key;
create unique index message_attempts_sid on oms.message_attempts (sid) where sid is not null;
alter table oms.message_attempts drop constraint message_attempts_sid_key;
alter table oms.message_attempts set (fillfactor = 60);
alter table oms.messages set (fillfactor = 60);
"""
DOWNGRADE = """
alter table oms.message_attempts set (fillfactor = 80);
alter table oms.messages set (fillfactor = 80);
alter table oms.message_attempts add constraint message_attempts_sid_key unique (sid);
drop index oms.message_attempts_sid;
alter table oms.messages add constraint messages_sid_key unique (sid);
drop index oms.messages_sid;
"""


def upgrade() -> None:
    """Index those that have one."""
    op.execute(UPGRADE)


def downgrade() -> None:
    """Index all again."""
    op.execute(DOWNGRADE)
