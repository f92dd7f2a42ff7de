"""Hooks of farm grants: their tables, a sample, and the outcomes in reports."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hms_oms.database.connections import RawConnection
from hms_oms.recipes.hooks import Hooks
from workers.farm_grant import roster, sample


def prepare(connection: RawConnection) -> Mapping[str, int]:
    """Bring the roster of inspectors up to its file."""
    return {"inspectors": roster.seed(connection)}


HOOKS = Hooks(
    migrations=Path(__file__).parent / "migrations",
    rights={"worker": {"farm.assignments": "select, insert", "farm.inspectors": "select, update"}},
    prepare=prepare,
    samples={"farm:grant:v1": sample.write},
    outcomes={"farm:grant:v1": ("assigned", "rejected")},
)
