"""Starting a job in the caller's own transaction: both are kept, or neither."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from hms.waiting import Enqueued
from hms_act import accept
from hms_oms.jobs.queries.uniqueness import unique
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
    unique_for: timedelta | None = None,
    unique_while: str | Collection[str] | None = None,
    limit_key: str | None = None,
    at_once: int | None = None,
    starts_per_minute: int | None = None,
) -> Enqueued:
    """Accept a request in the transaction of a SQLAlchemy session or connection to the ledger's database.

    The job begins once the caller has committed, and was never there if the caller rolls back. Asking again
    with the same key, which defaults to the field that the recipe names, gives the same job: `created` is
    then false. The deadline counts from the SLA in force if `sla_minutes` is None, and from `ready_at` if
    that is still to come. With `supersede` a job that has the key and other content is cancelled if it has
    not begun. What `must` be on time is never given up for others; if that is None the recipe says so.

    With `unique_for` the key is taken by a job that was accepted within that time, with `unique_while` by one
    that is in such a state: `open`, or some of waiting, queued, running, done, failed and cancelled. Then
    that job is the answer, and otherwise a new one is made though the key is known.

    No more than `at_once` jobs of the type with the same `limit_key` are queued or running at a time, and no
    more than `starts_per_minute` of them start within any minute; the others wait. All three default to what
    the recipe says under `[limit]`; if neither says a number, it is one at once.

    Raises UnknownJobType, RequestRejected with every fault of the payload, KeyTooLong, and KeyReused if the
    job that has the key differs from the request; BadUniqueness where a key cannot be unique in that way.
    """
    connection = session if isinstance(session, Connection) else session.connection()
    recipe = recipes.find(_known(settings.load().recipes), job_type)
    started = accept.start_job(
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
        unique=unique(unique_for, unique_while),
        limit_key=limit_key,
        at_once=at_once,
        starts_per_minute=starts_per_minute,
    )
    return Enqueued(started.job, started.created, connection.engine)


@functools.cache
def _known(folder: Path) -> Recipes:
    return recipes.load_folder(folder)
