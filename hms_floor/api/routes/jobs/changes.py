"""Recent changes, and undoing them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from hms_floor.api.access.guard import Guarded, Who
from hms_floor.api.access.roles import MANAGERS
from hms_floor.api.app_state import BULK_SECONDS, TheAppState
from hms_floor.api.requests import requests
from hms_floor.api.requests.requests import Reasoned
from hms_floor.api.responses import Changes
from hms_oms.access import audit
from hms_oms.documents.jobs import Change, Undone
from hms_oms.jobs.tickets import job_name
from hms_oms.undo import changes, undo

router = APIRouter(route_class=Guarded, tags=["changes"])

ChangePath = Annotated[int, Path(alias="id", ge=1, le=2**63 - 1)]


@router.get("/changes")
def find(app_state: TheAppState, who: Who) -> Changes:
    """What you can still undo, the newest first; a manager sees what others have changed, too."""
    everybody = bool(who.badge.roles & MANAGERS)
    with app_state.reading() as connection:
        undoable = changes.undoable(connection, None if everybody else who.actor)
    return Changes(tuple(Change.of(change, until=change.undo_until) for change in undoable))


@router.post("/changes/{id}/undo")
def take_back(app_state: TheAppState, who: Who, number: ChangePath, body: Reasoned | None = None) -> Undone:
    """Undo a change of your own, a manager anybody's: once, within its time.

    What has been changed again since, or has started, stays as it is and is counted.
    """
    manager = bool(who.badge.roles & MANAGERS)
    with app_state.writing(BULK_SECONDS) as connection:
        done = undo.undo(connection, number, who=who.actor, manager=manager)
        change = done.change
        names = [job_name(job) for job in done.restored]
        detail = {
            "action": change.action,
            "by": change.actor,
            "restored": len(names),
            "left": dict(done.left),
        }
        subject = change.queue or (names[0] if len(names) == 1 else None)
        act = who.act(subject, reason=body.reason if body else None, detail=detail | {"ids": names})
        audit.write(connection, [act])
    return Undone(
        id=change.id,
        action=change.action,
        queue=change.queue,
        restored=len(names),
        jobs=tuple(names[: requests.MOST_IDS]),
        left=dict(done.left),
        message=done.message,
    )
