"""Starting a job in the caller's own transaction: both are kept, or neither."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from hms_act import accept
from hms_act.accept import Started
from hms_oms.recipes import recipes
from hms_oms.recipes.recipes import Recipes
from hms_oms.runtime import settings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def enqueue(
    session: Session | Connection,
    job_type: str,
    payload: Mapping[str, Any],
    *,
    requested_by: str,
    key: str | None = None,
    sla_minutes: float | None = None,
    priority: int = 0,
    ready_at: datetime | None = None,
    supersede: bool = False,
    must: bool | None = None,
) -> Started:
    """Accept a request in the transaction of a SQLAlchemy session or connection to the ledger's database.

    The job begins once the caller has committed, and was never there if the caller rolls back. Asking again
    with the same key, which defaults to the field that the recipe names, gives the same job: `created` is
    then false. The deadline counts from the SLA in force if `sla_minutes` is None, and from `ready_at` if
    that is still to come. With `supersede` a job that has the key and other content is cancelled if it has
    not begun. What `must` be on time is never given up for others; if that is None the recipe says so.

    Raises UnknownJobType, RequestRejected with every fault of the payload, KeyTooLong, and KeyReused if the
    job that has the key differs from the request.
    """
    connection = session if isinstance(session, Connection) else session.connection()
    recipe = recipes.find(_known(settings.load().recipes), job_type)
    return accept.start_job(
        connection,
        recipe,
        payload,
        requested_by=requested_by,
        key=key,
        sla_minutes=sla_minutes,
        priority=priority,
        ready_at=ready_at,
        supersede=supersede,
        must=must,
    )


@functools.cache
def _known(folder: Path) -> Recipes:
    return recipes.load_folder(folder)
