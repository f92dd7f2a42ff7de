"""Change many jobs at once, by id or by filter, with a count beforehand."""

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
from hms_floor.api.routes.jobs import preview
from hms_floor.api.transport.problems import Problem, unprocessable
from hms_oms.access import audit
from hms_oms.api.filter import CONFIRM_ABOVE
from hms_oms.documents.jobs import BulkDone, Undo
from hms_oms.jobs import commands
from hms_oms.jobs.queries.read import Filter
from hms_oms.jobs.states import Fact, Status, allowed_before
from hms_oms.jobs.tickets import Ticket, job_name
from hms_oms.undo import changes
from hms_ops.foresight.forecasts import Forecasts
from hms_ops.foresight.previews import Previews

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
class _Result:
    matched: int = 0
    able: int = 0
    changed: list[int] = field(default_factory=list)
    left: Counter[str] = field(default_factory=Counter)
    running: list[Ticket] = field(default_factory=list)
    warning: str | None = None
    #: The number of the change, so that it can be undone.
    change: int | None = None


@router.post("/jobs/bulk")
def bulk(app_state: TheAppState, who: Who, body: asked_bulk.AnyBulk) -> BulkDone:
    """Change many jobs, ten thousand in a transaction; with `dryRun` only count them.

    The same roles are needed as for one job. More than a hundred are changed only with a reason, and with
    `count` as the dry run has told it.
    """
    who.require(f"POST /jobs/{{id}}/{body.action}")
    outcome = _Result()
    pages = _named(app_state, body, outcome) if body.ids else _meant(app_state, who, body, outcome)
    undo = None
    previews = Previews([], [])
    if body.dry_run:
        previews = preview.effects(app_state, body, pages)
    else:
        _require_confirmed(body, outcome.able)
        for page in pages:
            _turn(app_state, who, body, page, outcome)
        undo = _offer(app_state, outcome)
    return BulkDone(
        dry_run=body.dry_run,
        matched=outcome.matched,
        able=outcome.able if body.dry_run else len(outcome.changed),
        changed=len(outcome.changed),
        jobs=tuple(map(job_name, outcome.changed[: requests.MOST_IDS])),
        unchanged=dict(outcome.left),
        running=tuple(map(str, outcome.running)),
        warning=outcome.warning,
        undo=undo,
        effects=tuple(previews.effects),
        unmeasured=tuple(previews.unmeasured),
    )


def _require_confirmed(body: asked_bulk.AnyBulk, able: int) -> None:
    """Raise Problem unless somebody has said that they mean so many jobs, and why.

    A few may have ended since they were counted; more than were counted are never changed.
    """
    if able > CONFIRM_ABOVE:
        faults = []
        if not (body.reason or "").strip():
            faults.append(("reason", f"{able:,} jobs would change: say why"))
        if body.count is None:
            faults.append(("count", f"{able:,} jobs would change: confirm it with count {able}"))
        if faults:
            raise unprocessable(*faults)
    if body.count is not None and not able <= body.count <= able + max(SLACK, able // 10):
        raise Problem(
            409, f"{able:,} jobs would change now, not {body.count:,}: nothing was changed; confirm {able}"
        )


def _offer(app_state: AppState, outcome: _Result) -> Undo | None:
    """The undo offer; its time starts now, after the last change."""
    if outcome.change is None or not outcome.changed:
        return None
    with app_state.writing() as connection:
        changes.prolong(connection, outcome.change)
        return visible.undo(connection, outcome.change)


def _named(app_state: AppState, body: asked_bulk.AnyBulk, outcome: _Result) -> list[list[int]]:
    ids = list(dict.fromkeys(map(visible.number, body.ids)))
    with app_state.reading() as connection:
        known = commands.statuses(connection, ids)
        replaced = commands.key_holders(connection, ids) if body.action == "reinstate" else {}
        if body.action == "move":
            commands.require_queue(connection, body.queue)
    unknown = [job_name(job) for job in ids if job not in known]
    if unknown:
        names = ", ".join(unknown[:5])
        more = f" and {len(unknown) - 5:,} more" if len(unknown) > 5 else ""
        raise Problem(404, f"there is no {names}{more}; nothing was changed")
    outcome.matched = len(ids)
    _foresee(body, Counter(known.values()), outcome, replaced)
    # The first one that is named becomes the very next one, so it is promoted last.
    return [ids[::-1] if body.action == "promote" else ids]


def _meant(
    app_state: AppState, who: Caller, body: asked_bulk.AnyBulk, outcome: _Result
) -> Iterator[Sequence[int]]:
    given = body.filter
    meant = filters.of(
        who,
        queue=given.queue or None,
        status=given.status,
        job_type=given.type or None,
        batch=given.batch or None,
        payload=list(given.payload.items()),
        created_from=given.created_from if "created_from" in given.model_fields_set else None,
        created_to=given.created_to if "created_to" in given.model_fields_set else None,
        given_up="given_up" in given.model_fields_set,
        held="held" in given.model_fields_set,
        late="late" in given.model_fields_set,
    )
    with app_state.reading() as connection:
        for queue in filter(None, (meant.queue, body.queue if body.action == "move" else None)):
            commands.require_queue(connection, queue)
        filters.require_narrow(connection, meant)
        if "at_risk" in given.model_fields_set:
            # Nothing that was foreseen some time ago: what is found is changed.
            risks = Forecasts().at_risk(connection)
            meant = dataclasses.replace(meant, ids=tuple(end.job for end in risks))
        by_status = commands.count_by_status(connection, meant)
        replaced = _replaced(connection, meant) if body.action == "reinstate" else {}
    outcome.matched = sum(by_status.values())
    _foresee(body, Counter(by_status), outcome, replaced)
    able = allowed_before(_FACTS[body.action])
    if not body.dry_run:
        outcome.left.update({status: number for status, number in by_status.items() if status not in able})
    statuses = tuple(status.value for status in able if status in by_status)
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
    body: asked_bulk.AnyBulk, by_status: Counter[str], outcome: _Result, replaced: Mapping[int, int]
) -> None:
    able = allowed_before(_FACTS[body.action])
    outcome.able = sum(number for status, number in by_status.items() if status in able) - len(replaced)
    outcome.warning = _told(replaced)
    if body.dry_run:
        outcome.left.update({status: number for status, number in by_status.items() if status not in able})
        outcome.left.update({Status.CANCELLED.value: len(replaced)} if replaced else {})


def _told(replaced: Mapping[int, int]) -> str | None:
    """Cancelled jobs that cannot be reinstated, with the jobs that have their keys."""
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
    app_state: AppState, who: Caller, body: asked_bulk.AnyBulk, page: Sequence[int], outcome: _Result
) -> None:
    with app_state.writing(BULK_SECONDS) as connection:
        if outcome.change is None and body.action != "retry":
            outcome.change = changes.begin(connection, body.action, who=who.actor)
        changed, running = _change(connection, who, body, page, outcome.change)
        others = commands.statuses(connection, list(set(page) - set(changed)))
        audit.write(connection, [_act(who, body, changed)])
    outcome.changed += changed
    outcome.running += running
    outcome.left.update(others.values())


def _change(
    connection: Connection, who: Caller, body: asked_bulk.AnyBulk, page: Sequence[int], change: int | None
) -> tuple[Sequence[int], list[Ticket]]:
    actor, reason = who.actor, body.reason
    match body:
        case asked_bulk.BulkCancel():
            done = commands.cancel_jobs(
                connection, page, who=actor, reason=reason, now=body.now, change=change
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
            changed = commands.move(connection, page, body.queue, who=actor, reason=reason, change=change)
        case asked_bulk.BulkPrioritize():
            changed = commands.prioritize(
                connection, page, body.priority, who=actor, reason=reason, change=change
            )
        case asked_bulk.BulkDelay():
            changed = commands.delay(
                connection, page, body.not_before, who=actor, reason=reason, change=change
            )
    return changed, []


def _act(who: Caller, body: asked_bulk.AnyBulk, changed: Sequence[int]) -> audit.Act:
    detail: dict[str, Any] = {"action": body.action, "jobs": len(changed)}
    if not body.ids:
        # What a payload must hold is somebody's data: the fields say enough.
        shown = body.filter.model_dump(mode="json", by_alias=True, exclude_unset=True)
        detail["filter"] = shown | ({"payload": sorted(shown["payload"])} if "payload" in shown else {})
    detail["ids"] = [job_name(job) for job in changed]
    # So that it stands among what was done to the queue.
    queue = None if body.ids else body.filter.queue
    return who.act(queue or "bulk", reason=body.reason, detail=detail)
