"""Accepting requests: each is checked against its recipe, then recorded with its deadline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from hms_oms import jobs, ledger, registry, schema, sla
from hms_oms.errors import RequestRejected
from hms_oms.recipes import Recipe
from hms_oms.records import Accepted, Job

#: Requests that go into one statement.
PAGE = 1000


@dataclass(frozen=True, slots=True)
class Started:
    """The job that a request led to, and whether it is new (else its key was known already)."""

    job: Job
    created: bool


def start_job(
    connection: Connection,
    recipe: Recipe,
    payload: Mapping[str, Any],
    *,
    requested_by: str,
    sla_minutes: float | None = None,
    key: str | None = None,
    priority: int = 0,
    ready_at: datetime | None = None,
) -> Started:
    """Accept one request; asking again with the same key gives the same job.

    The key defaults to the payload field that the recipe names. Raises RequestRejected with every fault
    of the payload.
    """
    check(recipe, payload)
    chosen = key if key is not None else key_of(recipe, payload)
    accepted = accept_many(
        connection,
        recipe,
        [payload],
        keys=[chosen],
        requested_by=requested_by,
        sla_minutes=sla_minutes,
        priority=priority,
        ready_at=ready_at,
    )
    if accepted.jobs:
        return Started(jobs.get(connection, accepted.jobs[0]), created=True)
    assert chosen is not None
    return Started(jobs.by_key(connection, recipe.type, chosen), created=False)


def accept_many(
    connection: Connection,
    recipe: Recipe,
    payloads: Sequence[Mapping[str, Any]],
    *,
    requested_by: str,
    keys: Sequence[str | None] | None = None,
    sla_minutes: float | None = None,
    priority: int = 0,
    ready_at: datetime | None = None,
    batch_id: int | None = None,
) -> Accepted:
    """Accept requests that meet the recipe already, in bulk and in order; known keys make no job.

    The deadline counts from the SLA in force for the recipe's queue where `sla_minutes` is None.
    Nothing is visible before the caller commits.
    """
    recipe_id = registry.register(connection, recipe)
    minutes = sla_minutes if sla_minutes is not None else sla.minutes_in_force(connection, recipe.queue)
    if keys is None:
        keys = [key_of(recipe, payload) for payload in payloads]
    accepted: list[int] = []
    for start in range(0, len(payloads), PAGE):
        page = ledger.accept(
            connection,
            recipe,
            recipe_id,
            payloads[start : start + PAGE],
            keys=keys[start : start + PAGE],
            sla_minutes=minutes,
            requested_by=requested_by,
            priority=priority,
            ready_at=ready_at,
            batch_id=batch_id,
        )
        accepted.extend(page.jobs)
    return Accepted(accepted, len(payloads) - len(accepted))


def check(recipe: Recipe, payload: Mapping[str, Any]) -> None:
    """Raise RequestRejected with every fault of the payload, each by its field."""
    faults = schema.faults(recipe.payload, payload)
    if faults:
        raise RequestRejected(faults)


def key_of(recipe: Recipe, payload: Mapping[str, Any]) -> str | None:
    """The idempotency key of a request: the payload field that its recipe names."""
    if recipe.key is None:
        return None
    value = payload[recipe.key]
    # JSON has one kind of number: 219 and 219.0 are the same request.
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)
