"""Job filters from query parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Query
from pydantic import StringConstraints
from sqlalchemy import Connection

from hms_floor.api.access import visible
from hms_floor.api.access.guard import Caller, Who
from hms_floor.api.requests import requests
from hms_floor.api.requests.requests import JobOrder, JobType, QueueName, SearchText, StatusWord
from hms_floor.api.transport.problems import Problem, unprocessable
from hms_oms.jobs.queries import read, search
from hms_oms.jobs.queries.read import Filter
from hms_oms.jobs.states import OPEN

#: There is no index of what payloads hold: by their fields so many jobs are looked through, and no more.
MOST_LOOKED_THROUGH = 1_000_000
#: What `status=open` stands for.
_OPEN = "open"

FieldIsValue = Annotated[
    str, StringConstraints(pattern=r"^[^=\x00-\x1f\x7f]{1,200}=[^\x00-\x1f\x7f]{0,500}$")
]


def of(
    who: Caller,
    *,
    queue: str | None,
    status: Sequence[str],
    job_type: str | None,
    batch: int | None,
    payload: Sequence[tuple[str, str]],
    created_from: datetime | None,
    created_to: datetime | None,
    given_up: bool = False,
    parent: int | None = None,
    held: bool = False,
    late: bool = False,
    text: str | None = None,
) -> Filter:
    """The filter. Raises Problem where it would tell what the caller may not see."""
    if text is not None and not who.sees_payloads:
        raise Problem(403, "a search looks into payloads, and needs a badge that may see them")
    if payload and not who.sees_payloads:
        raise Problem(403, "a filter on payload fields needs a badge that may see payloads")
    return Filter(
        queue=queue,
        status=tuple(
            dict.fromkeys(state for word in status for state in (sorted(OPEN) if word == _OPEN else [word]))
        ),
        type=job_type,
        batch=batch,
        payload=tuple(payload),
        created_from=created_from,
        created_to=created_to,
        given_up=given_up,
        parent=parent,
        held=held,
        late=late,
        words=() if text is None else _words(text),
    )


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(search.terms(text))
    except search.TooShort as error:
        raise unprocessable(("search", str(error))) from None


def require_narrow(connection: Connection, job_filter: Filter) -> None:
    """Raise Problem where too many jobs would have to be looked through for what their payloads hold."""
    if job_filter.payload and read.exceeds(
        connection, dataclasses.replace(job_filter, payload=()), MOST_LOOKED_THROUGH
    ):
        reason = (
            f"is looked for in {MOST_LOOKED_THROUGH:,} jobs at most: name a batch, a queue or a time, too"
        )
        raise unprocessable(("payload", reason))


def require_orderable(job_filter: Filter, order: JobOrder) -> None:
    """Raise Problem where a list would be put in an order for which all jobs had to be looked through."""
    if (
        order != "newest"
        and not job_filter.late
        and not (job_filter.status and set(job_filter.status) <= OPEN)
    ):
        reason = f"{order} needs late, atRisk or status=open: other jobs are listed newest first"
        raise unprocessable(("order", reason))


def pair(written: str) -> tuple[str, str]:
    """`countyFips=19153` as field and value."""
    field, _, value = written.partition("=")
    return field, value


async def _listed(
    who: Who,
    queue: Annotated[QueueName | None, Query()] = None,
    status: Annotated[list[StatusWord], Query(description="`open` is every one that has not ended.")] = [],  # noqa: B006
    job_type: Annotated[JobType | None, Query(alias="type")] = None,
    batch: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    payload: Annotated[
        list[FieldIsValue], Query(description="As `countyFips=19153` or `address.county=Polk`.")
    ] = [],  # noqa: B006
    created_from: Annotated[requests.Moment | None, Query(alias="createdFrom")] = None,
    created_to: Annotated[requests.Moment | None, Query(alias="createdTo")] = None,
    given_up: Annotated[bool, Query(alias="givenUp", description="Only those that were given up.")] = False,
    parent: Annotated[
        requests.JobId | None, Query(description="Only the parts of the steps of this job.")
    ] = None,
    held: Annotated[bool, Query(description="Only those that wait for an answer of the applicant.")] = False,
    late: Annotated[
        bool, Query(description="Only those that are open past their deadline, ended late, or failed.")
    ] = False,
    text: Annotated[SearchText | None, Query(alias="search")] = None,
) -> Filter:
    return of(
        who,
        queue=queue,
        status=status,
        job_type=job_type,
        batch=batch,
        payload=[pair(condition) for condition in payload],
        created_from=created_from,
        created_to=created_to,
        given_up=given_up,
        parent=None if parent is None else visible.number(parent),
        held=held,
        late=late,
        text=text,
    )


#: What a route declares to have the filter that stands in its address.
Listed = Annotated[Filter, Depends(_listed)]
