"""Filter of jobs as the API takes it: in a query to list them, in a document to change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hms_oms.api.codec import stamp

#: A change to more jobs than this wants a reason, and their number as its confirmation.
CONFIRM_ABOVE = 100


@dataclass(frozen=True, slots=True)
class Filter:
    """Which jobs are meant; what is None or empty does not restrict.

    `status` may name `open`, which stands for every status of a job that has not ended. `payload` maps fields
    (`address.county` for nested ones) to their values. Accepted from `created_from` on, and before
    `created_to`. With `given_up` only those that are done after the others, because not all can be on time,
    with `at_risk` those whose deadline is ahead and will be missed if nothing changes, with `held` those that
    wait for an answer of the applicant, with `late` those that are open past their deadline, ended after it,
    or failed.
    The parts of a job's steps are listed only with it as `parent`, and cannot be changed by it.
    """

    queue: str | None = None
    status: tuple[str, ...] = ()
    type: str | None = None
    batch: int | None = None
    payload: Mapping[str, str] = field(default_factory=dict)
    created_from: datetime | None = None
    created_to: datetime | None = None
    given_up: bool = False
    parent: str | None = None
    at_risk: bool = False
    held: bool = False
    late: bool = False

    def query(self) -> dict[str, Any]:
        """The filter as the query of an address."""
        document = self.document()
        if self.payload:
            document["payload"] = [f"{name}={value}" for name, value in self.payload.items()]
        return document

    def document(self) -> dict[str, Any]:
        """The filter as JSON."""
        document: dict[str, Any] = {
            "queue": self.queue,
            "status": list(self.status),
            "type": self.type,
            "batch": self.batch,
            "payload": dict(self.payload),
            "createdFrom": self.created_from and stamp(self.created_from),
            "createdTo": self.created_to and stamp(self.created_to),
            "givenUp": self.given_up or None,
            "parent": self.parent,
            "atRisk": self.at_risk or None,
            "held": self.held or None,
            "late": self.late or None,
        }
        return {name: value for name, value in document.items() if value not in (None, [], {})}
