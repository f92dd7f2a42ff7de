"""The migrations of the packages of job types: files of SQL, each applied once, by number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

from hms_oms.database import connections
from hms_oms.recipes import hooks
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.errors import UnknownSchema

#: Two processes that start at once must not migrate at once (an arbitrary, fixed number).
_LOCK = 0x484D54


@dataclass(frozen=True)
class PackageSchema:
    """The tables of a package: the revision that its code needs, the one applied, the files still missing."""

    package: str
    needed: str | None
    applied: str | None
    missing: tuple[Path, ...]

    @property
    def mismatch(self) -> UnknownSchema | None:
        """What is wrong with the tables, and what to do; None if the code needs just these."""
        newer = (self.applied or "") > (self.needed or "")
        if not newer and not self.missing:
            return None
        return UnknownSchema(
            self.applied, self.needed or "none", newer=newer, of=f"the database of package {self.package}"
        )


def upgrade(connection: Connection, known: Iterable[Recipe]) -> None:
    """Apply what is missing for these job types, in the caller's transaction.

    Safe to run at any time, by many. Raises UnknownSchema if a newer release of a package was here.
    """
    connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    for schema in schemas(connection, known):
        if schema.mismatch is not None and schema.mismatch.newer:
            raise schema.mismatch
        for path in schema.missing:
            statements = path.read_text(encoding="utf-8")
            # Without parameters, so that a percent sign is one.
            connection.exec_driver_sql(statements, execution_options={"no_parameters": True})
            connection.execute(
                text("insert into oms.package_revisions (package, revision) values (:package, :revision)"),
                {"package": schema.package, "revision": _revision(path)},
            )


def require(database_url: str, known: Iterable[Recipe]) -> None:
    """Raise UnknownSchema unless the tables of these job types are what their code needs."""
    with connections.engine(database_url).connect() as connection:
        for schema in schemas(connection, known):
            if schema.mismatch is not None:
                raise schema.mismatch


def schemas(connection: Connection, known: Iterable[Recipe]) -> Iterator[PackageSchema]:
    """The tables of every package of these job types that has migrations."""
    for package, declared in hooks.packages(known).items():
        if declared.migrations is None:
            continue
        files = sorted(declared.migrations.glob("[0-9]*.sql"))
        applied = connection.scalars(
            text("select revision from oms.package_revisions where package = :package"), {"package": package}
        ).all()
        yield PackageSchema(
            package,
            max(map(_revision, files), default=None),
            max(applied, default=None),
            tuple(path for path in files if _revision(path) not in applied),
        )


def _revision(path: Path) -> str:
    # A file is named after its revision: `0001_roster.sql`.
    return path.name[:4]
