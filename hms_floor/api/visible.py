"""Records as the API shows them: payloads, results and errors only to those who may see them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from hms_floor.api.access import Caller
from hms_floor.api.problems import unprocessable
from hms_floor.presentation import documents
from hms_floor.presentation.masking import MASK
from hms_oms.jobs.records import Job
from hms_oms.jobs.tickets import Ticket, job_name, job_number
from hms_oms.messages.outbox import Text
from hms_oms.undo import changes
from hms_oms.undo.changes import Change

_PRIVATE = ("payload", "results", "error")


def job(found: Job, caller: Caller) -> dict[str, Any]:
    """One job, for this caller."""
    document = documents.job(found)
    if not caller.sees_payloads:
        document |= {name: hidden(document[name]) for name in _PRIVATE}
    return document


def undo(connection: Connection, change: int | None) -> dict[str, Any] | None:
    """How a change that was just made can be undone."""
    if change is None:
        return None
    found = changes.get(connection, change)
    return {"id": found.id, "until": documents.stamp(found.undo_until), "seconds": found.seconds}


def change(found: Change) -> dict[str, Any]:
    """A change that can be undone."""
    kept = ("id", "at", "actor", "action", "queue", "jobs", "seconds")
    document = documents.record(found)
    return {name: document[name] for name in kept} | {"until": document["undoUntil"]}


def text(found: Text, caller: Caller) -> dict[str, Any]:
    """One text, for this caller: what an applicant was told is masked like payloads, and so is any phone."""
    sees = caller.sees_payloads
    return {
        **documents.record(found),
        "job": None if found.job is None else job_name(found.job),
        "to": found.recipient if sees else phone(found.recipient),
        "body": found.body if sees or found.incident is not None else MASK,
    }


def phone(number: str) -> str:
    """A phone as those see it who may not know it: its last four digits."""
    return MASK + number[-4:]


def hidden(value: Any) -> Any:
    """A JSON value with its shape and none of its contents."""
    if isinstance(value, dict):
        return {name: hidden(each) for name, each in value.items()}
    if isinstance(value, list):
        return [hidden(each) for each in value]
    return value if value is None else MASK


def number(word: str) -> int:
    """The number of a job id that has the right form."""
    return job_number(word)


def ticket(word: str) -> Ticket:
    """The ticket that a reservation's id is. Raises Problem."""
    try:
        return Ticket.parse(word)
    except ValueError:
        raise unprocessable(("id", "is not the id of a reservation, as in job-219.2.review")) from None
