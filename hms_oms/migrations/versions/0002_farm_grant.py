"""Nothing any more: what it made belongs to a job type, whose package migrates it (hms_oms.recipes.hooks).

It stays in the chain for the ledgers that have passed it.
"""

from __future__ import annotations

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Change nothing."""


def downgrade() -> None:
    """Change nothing."""
