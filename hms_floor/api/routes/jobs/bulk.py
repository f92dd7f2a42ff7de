"""One change to many jobs: named one by one, or meant by a filter, with a count before anything is done."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter
from sqlalchemy import Connection

from hms_floor.api.access import visible
from hms_floor.api.access.guard import Caller, Guarded, Who
from hms_floor.api.app_state import BULK_SECONDS, AppState, TheAppState
from hms_floor.api.requests import bulk as asked_bulk
from hms_floor.api.requests import filters, requests
from hms_floor.api.transport.problems import Problem, unprocessable
from hms_oms.access import audit
from hms_oms.api.filter import CONFIRM_ABOVE
from hms_oms.documents.jobs import BulkDone, Undo
from hms_oms.jobs import commands
from hms_oms.jobs.read import Filter
from hms_oms.jobs.states import Fact, Status, allowed_before
from hms_oms.jobs.tickets import Ticket, job_name
from hms_oms.undo import changes

router = APIRouter(route_class=Guarded, tags=["jobs"])

#: So many jobs are changed in one transaction.
PAGE = 10_000
#: So many jobs, or a tenth of them, may have ended since they were counted.
SLACK = 10
_FACTS = {
    "cancel": Fact.CANCELLED,
    "retry": Fact.REVIVED,
    "reinstate": Fact.REINSTATED,
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
    #: The number of the change, so that it can be undone.
    change: int | None = None


@router.post("/jobs/bulk")
def bulk(app_state: TheAppState, who: Who, wanted: asked_bulk.AnyBulk) -> BulkDone:
    """Change many jobs, ten thousand in a transaction; with `dryRun` only count them.

    The same roles are needed as for one job. More than a hundred are changed only with a reason, and with
    `count` as the dry run has told it.
    """
    who.require(f"POST /jobs/{{id}}/{wanted.action}")
    came = _Came()
    pages = _named(app_state, wanted, came) if wanted.ids else _meant(app_state, who, wanted, came)
    undo = None
    if not wanted.dry_run:
        _require_confirmed(wanted, came.able)
        for page in pages:
            _turn(app_state, who, wanted, page, came)
        undo = _offer(app_state, came)
    return BulkDone(
        dry_run=wanted.dry_run,
        matched=came.matched,
        able=came.able if wanted.dry_run else len(came.changed),
        changed=len(came.changed),
        jobs=tuple(map(job_name, came.changed[: requests.MOST_IDS])),
        unchanged=dict(came.left),
        running=tuple(map(str, came.running)),
        warning=came.warning,
        undo=undo,
    )


def _require_confirmed(wanted: asked_bulk.AnyBulk, able: int) -> None:
    """Raise Problem unless somebody has said that they mean so many jobs, and why.

    A few may have ended since they were counted; more than were counted are never changed.
    """
    if able > CONFIRM_ABOVE:
        faults = []
        if not (wanted.reason or "").strip():
            faults.append(("reason", f"{able:,} jobs would change: say why"))
        if wanted.count is None:
            faults.append(("count", f"{able:,} jobs would change: confirm it with count {able}"))
        if faults:
            raise unprocessable(*faults)
    if wanted.count is not None and not able <= wanted.count <= able + max(SLACK, able // 10):
        raise Problem(
            409, f"{able:,} jobs would change now, not {wanted.count:,}: nothing was changed; confirm {able}"
        )


def _offer(app_state: AppState, came: _Came) -> Undo | None:
    """How to undo what was changed; the seconds count from here, when all of it is done."""
    if came.change is None or not came.changed:
        return None
    with app_state.writing() as connection:
        changes.prolong(connection, came.change)
        return visible.undo(connection, came.change)


def _named(app_state: AppState, wanted: asked_bulk.AnyBulk, came: _Came) -> list[list[int]]:
    ids = list(dict.fromkeys(map(visible.number, wanted.ids)))
    with app_state.reading() as connection:
        known = commands.statuses(connection, ids)
        replaced = commands.key_holders(connection, ids) if wanted.action == "reinstate" else {}
        if wanted.action == "move":
            commands.require_queue(connection, wanted.queue)
    unknown = [job_name(job) for job in ids if job not in known]
    if unknown:
        names = ", ".join(unknown[:5])
        more = f" and {len(unknown) - 5:,} more" if len(unknown) > 5 else ""
        raise Problem(404, f"there is no {names}{more}; nothing was changed")
    came.matched = len(ids)
    _foresee(wanted, Counter(known.values()), came, replaced)
    # The first one that is named becomes the very next one, so it is promoted last.
    return [ids[::-1] if wanted.action == "promote" else ids]


def _meant(
    app_state: AppState, who: Caller, wanted: asked_bulk.AnyBulk, came: _Came
) -> Iterator[Sequence[int]]:
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
    with app_state.reading() as connection:
        for queue in filter(None, (meant.queue, wanted.queue if wanted.action == "move" else None)):
            commands.require_queue(connection, queue)
        filters.require_narrow(connection, meant)
        census = commands.census(connection, meant)
        replaced = _replaced(connection, meant) if wanted.action == "reinstate" else {}
    came.matched = sum(census.values())
    _foresee(wanted, Counter(census), came, replaced)
    able = allowed_before(_FACTS[wanted.action])
    if not wanted.dry_run:
        came.left.update({status: number for status, number in census.items() if status not in able})
    statuses = tuple(status.value for status in able if status in census)
    return _pages(app_state, dataclasses.replace(meant, status=statuses)) if statuses else iter(())


def _replaced(connection: Connection, meant: Filter) -> dict[int, int]:
    """The cancelled jobs of a filter that newer ones with their keys have replaced, and those."""
    cancelled = dataclasses.replace(meant, status=(Status.CANCELLED.value,))
    if meant.status and Status.CANCELLED not in meant.status:
        return {}
    replaced: dict[int, int] = {}
    last: int | None = None
    while page := commands.page(connection, cancelled, limit=PAGE, after=last):
        replaced |= commands.key_holders(connection, page)
        last = page[-1]
    return replaced


def _foresee(
    wanted: asked_bulk.AnyBulk, census: Counter[str], came: _Came, replaced: Mapping[int, int]
) -> None:
    able = allowed_before(_FACTS[wanted.action])
    came.able = sum(number for status, number in census.items() if status in able) - len(replaced)
    came.warning = _told(replaced)
    if wanted.dry_run:
        came.left.update({status: number for status, number in census.items() if status not in able})
        came.left.update({Status.CANCELLED.value: len(replaced)} if replaced else {})


def _told(replaced: Mapping[int, int]) -> str | None:
    """Which cancelled jobs cannot be reinstated, and who has their keys."""
    if not replaced:
        return None
    pairs = [f"{job_name(holder)} has the key of {job_name(job)}" for job, holder in replaced.items()]
    more = f", and {len(pairs) - 5:,} others have theirs" if len(pairs) > 5 else ""
    return f"cannot be reinstated: {', '.join(pairs[:5])}{more}"


def _pages(app_state: AppState, meant: Filter) -> Iterator[Sequence[int]]:
    """The ids of a filter, newest first, so that jobs which come meanwhile are not among them."""
    last: int | None = None
    while True:
        with app_state.reading() as connection:
            page = commands.page(connection, meant, limit=PAGE, after=last)
        if not page:
            return
        yield page
        last = page[-1]


def _turn(
    app_state: AppState, who: Caller, wanted: asked_bulk.AnyBulk, page: Sequence[int], came: _Came
) -> None:
    with app_state.writing(BULK_SECONDS) as connection:
        if came.change is None and wanted.action != "retry":
            came.change = changes.begin(connection, wanted.action, who=who.actor)
        changed, running = _change(connection, who, wanted, page, came.change)
        others = commands.statuses(connection, list(set(page) - set(changed)))
        audit.write(connection, [_act(who, wanted, changed)])
    came.changed += changed
    came.running += running
    came.left.update(others.values())


def _change(
    connection: Connection, who: Caller, wanted: asked_bulk.AnyBulk, page: Sequence[int], change: int | None
) -> tuple[Sequence[int], list[Ticket]]:
    actor, reason = who.actor, wanted.reason
    match wanted:
        case asked_bulk.BulkCancel():
            done = commands.cancel_jobs(
                connection, page, who=actor, reason=reason, now=wanted.now, change=change
            )
            return done.jobs, done.running
        case asked_bulk.BulkRetry():
            changed = commands.retry(connection, page, who=actor, reason=reason)
        case asked_bulk.BulkReinstate():
            changed = commands.reinstate(connection, page, who=actor, reason=reason, change=change)
        case asked_bulk.BulkPromote():
            commands.hold(connection, page)
            changed = [
                done
                for job in page
                for done in commands.promote(connection, job, who=actor, reason=reason, change=change)
            ]
        case asked_bulk.BulkMove():
            changed = commands.move(connection, page, wanted.queue, who=actor, reason=reason, change=change)
        case asked_bulk.BulkPrioritize():
            changed = commands.prioritize(
                connection, page, wanted.priority, who=actor, reason=reason, change=change
            )
        case asked_bulk.BulkDelay():
            changed = commands.delay(
                connection, page, wanted.not_before, who=actor, reason=reason, change=change
            )
    return changed, []


def _act(who: Caller, wanted: asked_bulk.AnyBulk, changed: Sequence[int]) -> audit.Act:
    detail: dict[str, Any] = {"action": wanted.action, "jobs": len(changed)}
    if not wanted.ids:
        # What a payload must hold is somebody's data: the fields say enough.
        shown = wanted.filter.model_dump(mode="json", by_alias=True, exclude_unset=True)
        detail["filter"] = shown | ({"payload": sorted(shown["payload"])} if "payload" in shown else {})
    detail["ids"] = [job_name(job) for job in changed]
    return who.act("bulk", reason=wanted.reason, detail=detail)
