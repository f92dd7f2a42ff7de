"""Signs of life, for those who watch over processes: no badge is asked for, and nothing is told but life."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy.exc import SQLAlchemyError

from hms_floor.api.access import Guarded
from hms_floor.api.answers import trust as answers
from hms_floor.api.door import Door, TheDoor
from hms_floor.api.problems import busy
from hms_oms import migrate
from hms_ops import pulse

router = APIRouter(route_class=Guarded, tags=["life"])


@router.get("/healthz", response_model=answers.Health)
def alive(door: TheDoor, response: Response) -> dict[str, Any]:
    """Whether the door lives, its database answers (503 where it does not), and the watch beats."""
    beats = _beats(door)
    response.status_code = 503 if beats is None else 200
    return {
        "status": "failing" if beats is None else "ok",
        "database": "away" if beats is None else "ok",
        "ops": [{"name": each.name, "ageSeconds": each.age, "stale": each.stale} for each in beats or ()],
    }


@router.get("/readyz", response_model=answers.Ready)
def ready(door: TheDoor) -> dict[str, Any]:
    """Whether requests may come: the database is at the revision that this version needs."""
    with door.reading() as connection:
        found, needed = migrate.applied(connection), migrate.needed()
    if found != needed:
        raise busy(f"the database is at revision {found or 'none'}, this version needs {needed}", 30)
    return {"status": "ok"}


def _beats(door: Door) -> Sequence[pulse.Pulse] | None:
    """The programs that must not fall silent; None where the database does not answer."""
    try:
        with door.reading() as connection:
            return pulse.status(connection)
    except SQLAlchemyError:
        return None
