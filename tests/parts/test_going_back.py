"""The way back to a release that knows no parts and no child jobs: not while jobs wait for some."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic.util import CommandError

from hms_oms.database.connections import RawConnection
from hms_oms.database.schema import migrate
from hms_oms.jobs import commands
from hms_oms.recipes.recipes import Recipe
from tests.farm_grant.test_migrations import go_back
from tests.oms.test_advance import WHO
from tests.parts.test_child_jobs import family as family
from tests.parts.test_child_jobs import opened
from tests.parts.test_split_and_join import boxes as boxes
from tests.parts.test_split_and_join import split


def test_it_is_refused_while_jobs_wait_for_parts(
    engine: sa.Engine, raw: RawConnection, database: str, boxes: Recipe
) -> None:
    """With their number; once they are cancelled it is open."""
    job, _ = split(engine, raw, boxes, 2)
    with pytest.raises(CommandError, match="3 jobs wait for parts, or are parts: "):
        go_back(engine, "0035")
    migrate.upgrade(database)
    with engine.begin() as connection:
        commands.cancel_jobs(connection, [job], **WHO)
    go_back(engine, "0035")


def test_it_is_refused_while_jobs_wait_for_others(
    engine: sa.Engine, raw: RawConnection, database: str, family: Recipe
) -> None:
    """Or for the start of some."""
    job = opened(engine, raw, database, family, {"n": 1})
    with pytest.raises(CommandError, match="1 jobs wait for jobs that they start: "):
        go_back(engine, "0036")
    migrate.upgrade(database)
    with engine.begin() as connection:
        commands.cancel_jobs(connection, [job], **WHO)
    go_back(engine, "0036")
