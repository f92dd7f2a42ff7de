"""Records as the door shows them: payloads, results and errors only to those who may see them."""

from __future__ import annotations

from typing import Any

from hms_floor.api.access import Caller
from hms_floor.api.problems import unprocessable
from hms_floor.cli import documents
from hms_floor.cli.masking import MASK
from hms_oms.records import Job
from hms_oms.tickets import Ticket, job_number

_PRIVATE = ("payload", "results", "error")


def job(found: Job, caller: Caller) -> dict[str, Any]:
    """One job, for this caller."""
    document = documents.job(found)
    if not caller.sees_payloads:
        document |= {name: hidden(document[name]) for name in _PRIVATE}
    return document


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
