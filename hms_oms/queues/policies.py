"""The policy of a queue: how its jobs are put in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from hms_oms.database import statements
from hms_oms.jobs.commands import require_queue
from hms_oms.order.policy import Policy


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """The policy of a queue, by whom it was set, and when; None: it is the default."""

    policy: Policy
    set_by: str | None
    set_at: datetime | None


def hold(connection: Connection, queue: str) -> QueuePolicy:
    """The policy of a queue, held until the transaction ends. Raises UnknownQueue."""
    require_queue(connection, queue)
    [row] = statements.run(connection, "hold_policy", {"queue": queue})
    return QueuePolicy(Policy(row["policy"]), row["policy_set_by"], row["policy_set_at"])


def set_policy(connection: Connection, queue: str, policy: Policy, *, who: str) -> None:
    """Put the jobs of a queue into another order; the dispatcher dates those that wait within a second.

    Raises UnknownQueue.
    """
    require_queue(connection, queue)
    connection.execute(
        text(
            "update oms.queues set policy = :policy, policy_set_by = :who, policy_set_at = oms.now()"
            " where name = :queue"
        ),
        {"queue": queue, "policy": policy.value, "who": who},
    )
    connection.execute(text("select pg_notify('oms_backlog', :queue)"), {"queue": queue})
