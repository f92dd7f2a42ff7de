"""The inspectors: who they are, and who visits which farm."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection
from hms_oms.runtime.errors import HmsError

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Inspector:
    """One who visits farms in a state; `state` is its two-digit FIPS code."""

    id: int
    name: str
    state: str


class NoInspector(HmsError):
    """Nobody active covers the state of a county."""

    def __init__(self, county_fips: str) -> None:
        self.county_fips = county_fips
        super().__init__(
            f"no active inspector covers state {county_fips[:2]!r} (county {county_fips!r}): add one to "
            "farm.inspectors or set one active, then retry the job"
        )


def inspectors() -> tuple[Inspector, ...]:
    """The roster as its file has it, by id."""
    with (_HERE / "inspectors.csv").open(encoding="utf-8", newline="") as stream:
        rows = [Inspector(int(row["id"]), row["name"], row["state"]) for row in csv.DictReader(stream)]
    return tuple(sorted(rows, key=lambda inspector: inspector.id))


def seed(connection: RawConnection) -> int:
    """Bring the roster in the database up to the file; how many inspectors are new or changed.

    Loads stay as they are. The caller commits.
    """
    roster = inspectors()
    with connection.cursor() as cursor:
        cursor.execute(
            statements.text("seed", "workers"),
            {
                "ids": [inspector.id for inspector in roster],
                "names": [inspector.name for inspector in roster],
                "states": [inspector.state for inspector in roster],
            },
        )
        return cursor.rowcount


def assign(connection: RawConnection, *, application: int, job: int, county_fips: str) -> Inspector:
    """The inspector who visits this application: the one it has, else the least busy of its state.

    Joins the connection's transaction; until that ends, other assignments in the state wait. Raises
    NoInspector where nobody active covers the state.
    """
    state = county_fips[:2]
    asked = {"app_id": application, "job_id": job, "county_fips": county_fips, "state": state}
    # Twice, because the first look misses what another run of this step committed meanwhile.
    for _ in range(2):
        for row in statements.run_raw(connection, "assign", asked, package="workers"):
            return Inspector(row["id"], row["name"], state)
    raise NoInspector(county_fips)
