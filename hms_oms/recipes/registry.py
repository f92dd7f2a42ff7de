"""The recipes and queues that the ledger knows.

The writer of oms.recipes and oms.retention_rules, and of new rows in oms.queues.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, text

from hms_oms.database.connections import RawConnection
from hms_oms.recipes.recipes import Recipe
from hms_oms.recipes.retention import personal_data
from hms_oms.runtime.errors import RecipeUnreadable

log = logging.getLogger(__name__)

#: The snapshots that were told to be unreadable.
_told: set[int] = set()


def register(connection: Connection, recipe: Recipe) -> int:
    """Keep a snapshot of a recipe and return its id; make its queues, with the recipe's default SLA."""
    for queue in recipe.queues:
        connection.execute(
            text("insert into oms.queues (name) values (:queue) on conflict do nothing"), {"queue": queue}
        )
        connection.execute(
            text(
                "insert into oms.slas (queue, minutes, set_by, reason)"
                " select :queue, :minutes, 'recipe', :reason"
                " where not exists (select from oms.slas where queue = :queue)"
            ),
            {"queue": queue, "minutes": recipe.sla_minutes, "reason": f"default of {recipe.type}"},
        )
    _keep_retention(connection, recipe)
    known = connection.scalar(
        text("select id from oms.recipes where digest = :digest"), {"digest": recipe.digest}
    )
    if known is not None:
        return int(known)
    inserted = connection.scalar(
        text(
            "insert into oms.recipes (type, digest, definition) values (:type, :digest, :definition)"
            # An update that changes nothing makes the row of a concurrent winner come back.
            " on conflict (digest) do update set digest = excluded.digest returning id"
        ),
        {"type": recipe.type, "digest": recipe.digest, "definition": json.dumps(recipe.as_document())},
    )
    assert inserted is not None
    return int(inserted)


def _keep_retention(connection: Connection, recipe: Recipe) -> None:
    rule = {
        "type": recipe.type,
        "keep": json.dumps(dict(recipe.retention)),
        "personal": json.dumps(personal_data.paths(recipe.payload)),
    }
    # Looked at first: nobody waits for the row while it stays as it is.
    same = "select true from oms.retention_rules where type = :type and keep = :keep and personal = :personal"
    if connection.execute(text(same), rule).first() is None:
        connection.execute(
            text(
                "insert into oms.retention_rules (type, keep, personal) values (:type, :keep, :personal)"
                " on conflict (type) do update set keep = excluded.keep, personal = excluded.personal"
            ),
            rule,
        )


def snapshot(connection: RawConnection, recipe_id: int) -> Recipe:
    """One recipe that a job was accepted under. Raises RecipeUnreadable."""
    with connection.cursor() as cursor:
        cursor.execute("select definition from oms.recipes where id = %s", (recipe_id,))
        row = cursor.fetchone()
    assert row is not None
    try:
        return Recipe.from_document(row[0])
    except Exception as error:
        raise RecipeUnreadable(recipe_id) from error


def fitting(connection: Connection, job_type: str, steps: Sequence[str]) -> Recipe | None:
    """The newest recipe of a job type with these steps."""
    known = sorted(snapshots(connection).items(), reverse=True)
    named = tuple(steps)
    return next(
        (
            recipe
            for _, recipe in known
            if recipe.type == job_type and tuple(step.name for step in recipe.steps) == named
        ),
        None,
    )


def snapshots(connection: Connection) -> Mapping[int, Recipe]:
    """Every recipe that a job was ever accepted under, by id, without those that cannot be read."""
    readable: dict[int, Recipe] = {}
    for row in connection.execute(text("select id, type, definition from oms.recipes")):
        try:
            readable[row.id] = Recipe.from_document(row.definition)
        except Exception:
            if row.id not in _told:
                log.exception("recipe snapshot %d (%s) cannot be read and is passed over", row.id, row.type)
            _told.add(row.id)
    return readable
