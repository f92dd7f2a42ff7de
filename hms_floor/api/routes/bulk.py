"""One change to many jobs: named one by one, or meant by a filter, with a count before anything is done."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection

from hms_floor.api import asked, asked_bulk, filters, showing
from hms_floor.api.access import Caller, Guarded, Who
from hms_floor.api.answers import jobs as answers
from hms_floor.api.door import BULK_SECONDS, Door, TheDoor
from hms_floor.api.problems import Problem
from hms_floor.api.routes.jobs import tell_workers
from hms_oms import audit, control
from hms_oms.jobs import Filter
from hms_oms.states import Fact, allowed_before
from hms_oms.tickets import Ticket, job_name

router = APIRouter(route_class=Guarded, tags=["jobs"])

#: So many jobs are changed in one transaction.
PAGE = 10_000
_FACTS = {
    "cancel": Fact.CANCELLED,
    "retry": Fact.REVIVED,
    "promote": Fact.PROMOTED,
    "move": Fact.MOVED,
    "priority": Fact.REPRIORITIZED,
    "delay": Fact.DELAYED,
}


@dataclass
class _Came:
    matched: int = 0
    able: int = 0
    changed: list[int] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    running: list[Ticket] = field(default_factory=list)
    warning: str | None = None


@router.post("/jobs/bulk", response_model=answers.BulkDone)
def bulk(door: TheDoor, who: Who, wanted: asked_bulk.AnyBulk) -> dict[str, Any]:
    """Change many jobs, ten thousand in a transaction; with `dryRun` only count them.

    The same roles are needed as for one job.
    """
    who.require(f"POST /jobs/{{id}}/{wanted.action}")
    came = _Came()
    pages = _named(door, wanted, came) if wanted.ids else _meant(door, who, wanted, came)
    if not wanted.dry_run:
        for page in pages:
            _turn(door, who, wanted, page, came)
    if wanted.dry_run:
        with door.writing() as connection:
            audit.write(connection, [_act(who, wanted, came.able)])
    return {
        "dryRun": wanted.dry_run,
        "matched": came.matched,
        "able": came.able if wanted.dry_run else len(came.changed),
        "changed": len(came.changed),
        "jobs": [job_name(job) for job in came.changed[: asked.MOST_IDS]],
        "unchanged": dict(came.left),
        "running": [str(ticket) for ticket in came.running],
        "warning": came.warning,
    }


def _named(door: Door, wanted: asked_bulk.AnyBulk, came: _Came) -> list[list[int]]:
    ids = list(dict.fromkeys(map(showing.number, wanted.ids)))
    with door.reading() as connection:
        known = control.statuses(connection, ids)
        if wanted.action == "move":
            control.require_queue(connection, wanted.queue)
    unknown = [job_name(job) for job in ids if job not in known]
    if unknown:
        names = ", ".join(unknown[:5])
        more = f" and {len(unknown) - 5:,} more" if len(unknown) > 5 else ""
        raise Problem(404, f"there is no {names}{more}; nothing was changed")
    came.matched = len(ids)
    _foresee(wanted, Counter(known.values()), came)
    # The first one that is named becomes the very next one, so it is promoted last.
    return [ids[::-1] if wanted.action == "promote" else ids]


def _meant(door: Door, who: Caller, wanted: asked_bulk.AnyBulk, came: _Came) -> Iterator[Sequence[int]]:
    given = wanted.filter
    meant = filters.of(
        who,
        queue=given.queue or None,
        status=given.status,
        job_type=given.type or None,
        batch=given.batch or None,
        payload=list(given.payload.items()),
        created_from=given.created_from if "created_from" in given.model_fields_set else None,
        created_to=given.created_to if "created_to" in given.model_fields_set else None,
    )
    with door.reading() as connection:
        for queue in filter(None, (meant.queue, wanted.queue if wanted.action == "move" else None)):
            control.require_queue(connection, queue)
        filters.require_narrow(connection, meant)
        census = control.census(connection, meant)
    came.matched = sum(census.values())
    _foresee(wanted, Counter(census), came)
    able = allowed_before(_FACTS[wanted.action])
    if not wanted.dry_run:
        came.left.update({status: number for status, number in census.items() if status not in able})
    statuses = tuple(status.value for status in able if status in census)
    return _pages(door, dataclasses.replace(meant, status=statuses)) if statuses else iter(())


def _foresee(wanted: asked_bulk.AnyBulk, census: Counter[str], came: _Came) -> None:
    able = allowed_before(_FACTS[wanted.action])
    came.able = sum(number for status, number in census.items() if status in able)
    if wanted.dry_run:
        came.left.update({status: number for status, number in census.items() if status not in able})


def _pages(door: Door, meant: Filter) -> Iterator[Sequence[int]]:
    """The ids of a filter, newest first, so that jobs which come meanwhile are not among them."""
    last: int | None = None
    while True:
        with door.reading() as connection:
            page = control.page(connection, meant, limit=PAGE, after=last)
        if not page:
            return
        yield page
        last = page[-1]


def _turn(door: Door, who: Caller, wanted: asked_bulk.AnyBulk, page: Sequence[int], came: _Came) -> None:
    with door.writing(BULK_SECONDS) as connection:
        changed, running = _change(connection, who, wanted, page)
        others = control.statuses(connection, list(set(page) - set(changed)))
        audit.write(connection, [_act(who, wanted, len(changed), changed)])
    came.changed += changed
    came.running += running
    came.left.update(others.values())
    if wanted.action == "cancel" and wanted.now:
        came.warning = tell_workers(door, running) or came.warning


def _change(
    connection: Connection, who: Caller, wanted: asked_bulk.AnyBulk, page: Sequence[int]
) -> tuple[Sequence[int], list[Ticket]]:
    actor, reason = who.actor, wanted.reason
    match wanted:
        case asked_bulk.BulkCancel():
            done = control.cancel_jobs(connection, page, who=actor, reason=reason, now=wanted.now)
            return done.jobs, done.running
        case asked_bulk.BulkRetry():
            changed = control.retry(connection, page, who=actor, reason=reason)
        case asked_bulk.BulkPromote():
            control.hold(connection, page)
            changed = [
                done for job in page for done in control.promote(connection, job, who=actor, reason=reason)
            ]
        case asked_bulk.BulkMove():
            changed = control.move(connection, page, wanted.queue, who=actor, reason=reason)
        case asked_bulk.BulkPrioritize():
            changed = control.prioritize(connection, page, wanted.priority, who=actor, reason=reason)
        case asked_bulk.BulkDelay():
            changed = control.delay(connection, page, wanted.not_before, who=actor, reason=reason)
    return changed, []


def _act(
    who: Caller, wanted: asked_bulk.AnyBulk, number: int, changed: Sequence[int] | None = None
) -> audit.Act:
    detail: dict[str, Any] = {"action": wanted.action, "jobs": number, "dryRun": wanted.dry_run}
    if not wanted.ids:
        # What a payload must hold is somebody's data: the fields say enough.
        shown = wanted.filter.model_dump(mode="json", by_alias=True, exclude_unset=True)
        detail["filter"] = shown | ({"payload": sorted(shown["payload"])} if "payload" in shown else {})
    if changed is not None:
        detail["ids"] = [job_name(job) for job in changed]
    return who.act("bulk", reason=wanted.reason, detail=detail)
