"""The last plans of backlogs, as the leading dispatcher has recorded them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from hms_oms.order.policy import Policy


@dataclass(frozen=True, slots=True)
class BacklogPlan:
    """A plan that gives up some of `jobs`, since `given_up_since`; `work` is that of all, in slot seconds.

    Of those given up, `hopeless` jobs could not be on time if they were next.
    """

    queue: str
    planned_at: datetime
    jobs: int
    work: float
    slots: int
    given_up: int
    hopeless: int
    given_up_since: datetime
    #: The queue's limit, within which a plan has to stay, too.
    starts_per_minute: int | None = None
    policy: str = Policy.MOST_ON_TIME


def in_force(connection: Connection) -> Mapping[str, BacklogPlan]:
    """The last plan of each queue whose plan gives up jobs."""
    rows = connection.execute(
        text(
            "select queue, planned_at, jobs, work, slots, given_up, hopeless, given_up_since,"
            " starts_per_minute, policy"
            " from oms.backlog_plans as plan join oms.queues on queues.name = plan.queue where given_up > 0"
        )
    )
    return {row["queue"]: BacklogPlan(**row) for row in rows.mappings()}
