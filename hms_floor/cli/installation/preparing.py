"""Prepare the database at every start: migrations, queues of the recipes, tables of their packages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hms_floor import ledger
from hms_oms.database import connections
from hms_oms.database.schema import migrate, schema_revision
from hms_oms.recipes import hooks, package_migrations, registry
from hms_oms.recipes.recipes import Recipe
from hms_oms.schedules import store as schedules


@dataclass(frozen=True)
class Prepared:
    """Result of preparing the database; `changed` counts what the packages of the recipes have updated."""

    before: str | None
    revision: str
    queues: tuple[str, ...]
    changed: Mapping[str, int]

    def __str__(self) -> str:
        if self.before == self.revision:
            done = f"the database is at revision {self.revision}; nothing to migrate"
        else:
            done = f"migrated the database from revision {self.before or 'none'} to {self.revision}"
        changed = [
            f"; {what}: {number} new or changed" if number else f"; {what}: unchanged"
            for what, number in self.changed.items()
        ]
        return f"{done}; queues: {', '.join(self.queues)}{''.join(changed)}"


def prepare(database_url: str, known: Iterable[Recipe], office: str = "UTC") -> Prepared:
    """Migrate, make the queues and schedules of the recipes, and have their packages prepare what they keep.

    `office` is the time zone of schedules that name none.
    """
    known = tuple(known)
    engine = ledger.engine_of(database_url)
    with engine.connect() as connection:
        before = schema_revision.applied(connection)
    wrong = schema_revision.mismatch(before)
    if wrong is not None and wrong.newer:
        raise wrong
    revision = migrate.upgrade(database_url)
    queues: dict[str, None] = {}
    with engine.begin() as connection:
        package_migrations.upgrade(connection, known)
        for recipe in known:
            registry.register(connection, recipe)
            queues |= dict.fromkeys(recipe.queues)
        schedules.keep_recipes(connection, known, office)
    raw = connections.connect(database_url, "hms db", autocommit=False)
    try:
        changed = hooks.prepare(raw, known)
        raw.commit()
    finally:
        raw.close()
    return Prepared(before, revision, tuple(queues), changed)
