"""The farm-grant roster: inspectors with their open visits, and who visits which application."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ROSTER = """
create schema farm;

create table farm.inspectors (
    id int primary key,
    name text not null,
    -- The two-digit FIPS code of the state, as a county's code begins.
    state char(2) not null check (state ~ '^[0-9]{2}$'),
    open_visits int not null default 0 check (open_visits >= 0),
    active bool not null default true
)
-- Loads change all day and names hardly ever: leave room to change a row in its place.
with (fillfactor = 50);

-- Read by the pick of an inspector. Without open_visits, so that a new load needs no new index entry: the
-- few inspectors of a state are quickly compared.
create index inspectors_pick on farm.inspectors (state, id) where active;

create table farm.assignments (
    app_id bigint primary key,
    job_id bigint not null,
    inspector_id int not null references farm.inspectors,
    county_fips text not null,
    assigned_at timestamptz not null
);
"""


def upgrade() -> None:
    """Create everything in schema farm; the inspectors themselves are seeded from a file."""
    op.execute(ROSTER)


def downgrade() -> None:
    """Remove schema farm with all that it holds."""
    op.execute("drop schema farm cascade")
