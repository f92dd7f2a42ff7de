"""Job filters from query parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints
from sqlalchemy import Connection

from hms_floor.api.access.guard import Caller
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


def pair(written: str) -> tuple[str, str]:
    """`countyFips=19153` as field and value."""
    field, _, value = written.partition("=")
    return field, value
