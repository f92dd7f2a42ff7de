"""Accepting requests: each is checked against its recipe, then recorded with its deadline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from hms_oms.database import health
from hms_oms.jobs import commands, ledger
from hms_oms.jobs.acceptance.requests import Requests
from hms_oms.jobs.queries import read, uniqueness
from hms_oms.jobs.queries.uniqueness import BadUniqueness, Unique
from hms_oms.jobs.records import Accepted, Job
from hms_oms.queues import calendars, sla
from hms_oms.recipes import limits, payload_equality, payload_schema, registry
from hms_oms.recipes.recipes import Recipe
from hms_oms.retention import known_keys
from hms_oms.retention.known_keys import KeyOfRemovedJob
from hms_oms.runtime.errors import KeyReused, KeyTooLong, RequestRejected

#: Requests that go into one statement.
PAGE = 5000
#: A longer key does not fit into the index that keeps it unique, in bytes.
LONGEST_KEY = 500
#: A job in one of these may be replaced: nothing was done for it yet that would have to be undone.
NOT_BEGUN = ("waiting", "queued")


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
    supersede: bool = False,
    must: bool | None = None,
    unique: Unique | None = None,
    limit_key: str | None = None,
    at_once: int | None = None,
    starts_per_minute: int | None = None,
) -> Started:
    """Accept one request; asking again with the same key gives the same job.

    The key defaults to the payload field that the recipe names. If it is `unique` for a while only, the job
    that has it then is the answer, whatever its payload. No more than `at_once` jobs with a `limit_key` are
    in flight at a time, and no more than `starts_per_minute` start. With `supersede` a job that has the key
    and other content, and has not begun, is cancelled, and the new one refers to it. Raises RequestRejected
    with every fault of the payload, KeyReused if the job that has the key differs from the request, and
    KeyOfRemovedJob if retention has removed it.
    """
    check(recipe, payload, key, limit_key)
    wrong = list(limits.option_faults(at_once, starts_per_minute))
    if wrong:
        raise RequestRejected(wrong)
    chosen = key if key is not None else key_of(recipe, payload)
    if unique is not None:
        if chosen is None:
            raise BadUniqueness(f"no key was given, and the recipe of {recipe.type} names none")
        holder = uniqueness.holder(connection, recipe.type, chosen, unique)
        if holder is not None:
            return Started(holder, created=False)
    if supersede:
        make_way(connection, recipe, [payload], keys=[chosen], who=requested_by)
    accepted = accept_many(
        connection,
        recipe,
        [payload],
        keys=[chosen if unique is None else None],
        requested_by=requested_by,
        sla_minutes=sla_minutes,
        priority=priority,
        ready_at=ready_at,
        musts=[recipe.must if must is None else must],
        unique_key=None if unique is None else chosen,
        limit_key=limit_key,
        at_once=at_once,
        starts_per_minute=starts_per_minute,
    )
    if accepted.jobs:
        return Started(read.get(connection, accepted.jobs[0]), created=True)
    assert chosen is not None
    removed = known_keys.find(connection, recipe.type, [chosen])
    if removed:
        raise KeyOfRemovedJob(removed[chosen])
    job = read.by_key(connection, recipe.type, chosen)
    require_same(recipe, job.name, job.status, job.payload, payload, erased=job.erased_at is not None)
    return Started(job, created=False)


def require_same(
    recipe: Recipe,
    job: str,
    status: str,
    known: Mapping[str, Any],
    sent: Mapping[str, Any],
    *,
    erased: bool,
) -> None:
    """Raise KeyReused if a request means something else than the job that has its key."""
    differences = payload_equality.differences(recipe.payload, known, sent, erased=erased)
    if differences:
        raise KeyReused(job, status, differences)


def make_way(
    connection: Connection,
    recipe: Recipe,
    payloads: Sequence[Mapping[str, Any]],
    *,
    keys: Sequence[str | None],
    who: str,
    batch_id: int | None = None,
) -> list[int]:
    """Cancel the jobs that corrected requests replace, and return them.

    Those are jobs that have the key of a request and other content, and have not begun: what runs or has
    ended stays. A job of `batch_id` stays, too: two rows of one file do not replace each other.
    """
    held = read.by_keys(connection, recipe.type, [key for key in keys if key is not None], lock=True)
    replaced = {
        job.id
        for key, payload in zip(keys, payloads, strict=True)
        if key is not None
        and (job := held.get(key)) is not None
        and job.status in NOT_BEGUN
        and (batch_id is None or job.batch_id != batch_id)
        and payload_equality.differences(recipe.payload, job.payload, payload)
    }
    if replaced:
        commands.cancel_jobs(
            connection, sorted(replaced), who=who, reason="superseded by a corrected request"
        )
    return sorted(replaced)


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
    recipe_id: int | None = None,
    musts: Sequence[bool] | None = None,
    unique_key: str | None = None,
    limit_key: str | None = None,
    at_once: int | None = None,
    starts_per_minute: int | None = None,
    prepared: Requests | None = None,
) -> Accepted:
    """Accept requests that meet the recipe already, in bulk and in order; known keys make no job.

    The deadline counts from the SLA in force for the recipe's queue if `sla_minutes` is None, and from
    `ready_at` if that is still to come; a time that has come is no delay. If the queue has a calendar, only
    its office hours count. Raises SlaNeverOver. `recipe_id` is that of a recipe
    which the caller has registered. `musts` says of each whether it is never to be given up for others; else
    the recipe does. `prepared` is what the statement takes, if the requests, a page at most, were made ready
    before. Nothing is visible before the caller commits.
    """
    recipe_id = registry.register(connection, recipe) if recipe_id is None else recipe_id
    if ready_at is not None and ready_at <= health.clock(connection):
        ready_at = None
    minutes = sla_minutes if sla_minutes is not None else sla.minutes_in_force(connection, recipe.queue)
    deadline = calendars.deadline(connection, recipe.queue, minutes, start=ready_at)
    if keys is None:
        keys = [key_of(recipe, payload) for payload in payloads]
    if musts is None:
        musts = [recipe.must] * len(payloads)
    jobs: list[int] = []
    accepted: list[str | None] = []
    for start in range(0, len(payloads), PAGE):
        page = ledger.accept(
            connection,
            recipe,
            recipe_id,
            prepared or Requests.of(recipe, payloads[start : start + PAGE], keys[start : start + PAGE]),
            musts=musts[start : start + PAGE],
            sla_minutes=minutes,
            deadline=deadline,
            requested_by=requested_by,
            priority=priority,
            ready_at=ready_at,
            batch_id=batch_id,
            unique_key=unique_key,
            limit_key=limit_key,
            at_once=at_once,
            starts_per_minute=starts_per_minute,
        )
        jobs.extend(page.jobs)
        accepted.extend(page.keys)
    return Accepted(jobs, accepted, len(payloads) - len(jobs))


def check(
    recipe: Recipe, payload: Mapping[str, Any], key: str | None = None, limit_key: str | None = None
) -> None:
    """Raise RequestRejected with every fault of the payload, each by its field, or KeyTooLong."""
    faults = payload_schema.faults(recipe.payload, payload)
    if not faults and key is None:
        fault = key_fault(key_of(recipe, payload))
        faults = [(str(recipe.key), fault)] if fault else []
    if not faults and recipe.limit is not None and recipe.limit.field is not None:
        value = payload.get(recipe.limit.field)
        fault = None if value is None else key_fault(str(value))
        faults = [(recipe.limit.field, fault)] if fault else []
    if faults:
        raise RequestRejected(faults)
    for name, given in (("key", key), ("limit_key", limit_key)):
        fault = key_fault(given)
        if fault:
            raise KeyTooLong([(name, fault)])


def key_fault(key: str | None) -> str | None:
    """The fault of a key, or None."""
    # A character has four bytes at most.
    too_long = key is not None and 4 * len(key) > LONGEST_KEY and len(key.encode()) > LONGEST_KEY
    return f"is a key of more than {LONGEST_KEY} bytes" if too_long else None


def key_of(recipe: Recipe, payload: Mapping[str, Any]) -> str | None:
    """The idempotency key of a request: the payload field that its recipe names, if it has that field."""
    value = None if recipe.key is None else payload.get(recipe.key)
    if value is None:
        return None
    # JSON has one kind of number: 219 and 219.0 are the same request.
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)
