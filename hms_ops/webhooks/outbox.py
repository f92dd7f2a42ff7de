"""Events on their way: taken under a lease and a fence, attempted, answered.

With the function `ops.announce` the writer of ops.webhook_deliveries.

The rows are made by `ops.announce` in the transaction of what they tell of. An attempt is committed before
anything is sent. An event whose sender is lost goes again with the same id, by which receivers know it.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import Connection, text

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection
from hms_oms.runtime.errors import HmsError
from hms_ops.documents.webhooks import WebhookAttempt, WebhookDelivery
from hms_ops.statements import statement
from hms_ops.webhooks.events import TEST

#: How long a taken event belongs to its taker, in seconds: longer than a request may take.
LEASE_SECONDS = 60.0
#: How long events that have ended are kept, in days, and how many are removed at once.
KEPT_DAYS = 30
MOST_REMOVED = 5000

_run = partial(statements.run_raw, package="hms_ops")


class UnknownDelivery(HmsError):
    """A webhook has no delivery of this number."""

    def __init__(self, name: str, delivery: int) -> None:
        super().__init__(f"there is no delivery {delivery} of the webhook {name!r}")


@dataclass(frozen=True, slots=True)
class Receiver:
    """A webhook that events may go to; it is left alone for `seconds_alone` after `failures` in a row."""

    id: int
    name: str
    url: str
    events: Sequence[str]
    salt: str
    key_check: str
    failures: int
    seconds_alone: float


@dataclass(frozen=True, slots=True)
class Taken:
    """An event under our lease; it is given up in `seconds_left`."""

    id: int
    webhook: int
    attempt: int
    event_id: str
    event: str
    subject: str
    at: datetime
    data: Mapping[str, Any]
    seconds_left: float


def active(connection: RawConnection) -> list[Receiver]:
    """The webhooks that are neither paused nor removed."""
    return [Receiver(**row) for row in _run(connection, "active_webhooks", {})]


def take(connection: RawConnection, rooms: Mapping[int, int]) -> list[Taken]:
    """Take the next events, so many for each webhook."""
    parameters = {"webhooks": list(rooms), "rooms": list(rooms.values()), "lease": LEASE_SECONDS}
    return [Taken(**row) for row in _run(connection, "take_events", parameters)] if rooms else []


def answered(
    connection: RawConnection,
    taken: Taken,
    *,
    state: str,
    outcome: str,
    http_status: int | None,
    fault: str | None,
    delay: float,
    alone: float,
    gone: bool,
) -> None:
    """Record an attempt: the event becomes `state`, due after `delay`; its webhook is left `alone`."""
    parameters = {"delivery": taken.id, "attempt": taken.attempt, "state": state, "outcome": outcome}
    parameters |= {"http_status": http_status, "fault": fault, "delay": delay, "alone": alone, "gone": gone}
    _run(connection, "answer_event", parameters)


def take_back(connection: RawConnection) -> int:
    """Release the events whose sender is gone; how many those were."""
    return len(_run(connection, "take_back_events", {}))


def follow_clock(connection: RawConnection, seconds: float, *, longest: float) -> int:
    """Have events wait no longer because the database's clock was set back by so many `seconds`; how many.

    With 0 only those follow that show by themselves that it was: nobody has looked for a while. No webhook is
    left alone for more than the `longest` seconds.
    """
    ahead = {"seconds": seconds, "lease": LEASE_SECONDS, "longest": longest}
    return len(_run(connection, "follow_webhooks_clock", ahead))


def give_up(connection: RawConnection) -> int:
    """Give up what could not be delivered in time; how many those were."""
    return len(_run(connection, "give_up_events", {}))


def announce_late(connection: Connection, *, whole: bool, recent: float, most: int) -> None:
    """Tell of late jobs and cycles to the webhooks that ask for them."""
    asking = "select id, events from ops.webhooks where removed_at is null and events && array['{}']"
    parameters = {"whole": whole, "recent": recent, "most": most}
    for event, name in (("job.late", "announce_late_jobs"), ("cycle.late", "announce_late_cycles")):
        for row in connection.execute(text(asking.format(event))).all():
            connection.exec_driver_sql(statement(name), {"webhook": row.id, **parameters})


def announce(
    connection: Connection, *, event_id: str, event: str, subject: str, at: datetime, job_type: str, data: str
) -> None:
    """Put an event into the outbox of each webhook that asks for it; `data` is JSON."""
    connection.execute(
        text("select ops.announce(:id, :event, :subject, :at, null, :type, cast(:data as jsonb))"),
        {"id": event_id, "event": event, "subject": subject, "at": at, "type": job_type, "data": data},
    )


def remove_old(connection: Connection) -> int:
    """Remove events that ended long ago, some at a time; how many those were."""
    parameters = {"days": KEPT_DAYS, "most": MOST_REMOVED}
    return connection.exec_driver_sql(statement("remove_old_events"), parameters).rowcount


def put_test(connection: Connection, webhook: int, name: str) -> WebhookDelivery:
    """Put an event into the outbox of one webhook that only shows that events arrive."""
    number = connection.scalar(
        text(
            "insert into ops.webhook_deliveries (webhook_id, event_id, event, subject, at, data)"
            " values (:webhook, :id, :event, :name, oms.now(),"
            " jsonb_build_object('webhook', cast(:name as text)))"
            " returning id"
        ),
        {"webhook": webhook, "id": f"test-{secrets.token_hex(8)}", "event": TEST, "name": name},
    )
    return get(connection, webhook, name, int(number or 0))


def begin_again(connection: Connection, webhook: int, delivery: int | None = None) -> int:
    """Have what waits for a webhook go now, or one delivery go again; how many those are."""
    moved = connection.execute(
        text(
            "update ops.webhook_deliveries set state = 'pending', finished_at = null, due_at = oms.now(),"
            " give_up_at = oms.now() + interval '3 days'"
            " where webhook_id = :webhook and (case when cast(:delivery as bigint) is null"
            " then state = 'pending' else id = :delivery and state <> 'sending' end)"
        ),
        {"webhook": webhook, "delivery": delivery},
    )
    return moved.rowcount


def drop(connection: Connection, webhook: int) -> None:
    """Have what waits for a webhook not go."""
    connection.execute(
        text(
            "update ops.webhook_deliveries set state = 'dropped', finished_at = oms.now()"
            " where webhook_id = :webhook and state = 'pending'"
        ),
        {"webhook": webhook},
    )


def get(connection: Connection, webhook: int, name: str, delivery: int) -> WebhookDelivery:
    """One delivery of a webhook. Raises UnknownDelivery."""
    rows = _deliveries(connection, "and delivery.id = :delivery", webhook, delivery=delivery, limit=1)
    if not rows:
        raise UnknownDelivery(name, delivery)
    return rows[0]


def find(
    connection: Connection, webhook: int, *, states: Sequence[str], limit: int, after: int | None = None
) -> list[WebhookDelivery]:
    """The deliveries of a webhook in these states (any without), newest first, behind `after`."""
    condition = (
        "and (cast(:after as bigint) is null or delivery.id < :after)"
        " and (cardinality(cast(:states as text[])) = 0 or delivery.state = any(:states))"
    )
    return _deliveries(connection, condition, webhook, states=list(states), limit=limit, after=after)


def _deliveries(
    connection: Connection, condition: str, webhook: int, **parameters: Any
) -> list[WebhookDelivery]:
    rows = connection.execute(
        text(f"{_ROWS} {condition} order by delivery.id desc limit :limit"),
        {"webhook": webhook, **parameters},
    )
    deliveries = []
    for row in rows.mappings().all():
        attempts = connection.execute(text(_ATTEMPTS), {"delivery": row["id"]}).mappings()
        deliveries.append(
            WebhookDelivery(**row, attempts=tuple(WebhookAttempt(**attempt) for attempt in attempts))
        )
    return deliveries


_ROWS = """
select id, event_id, event, subject, at, state, due_at, give_up_at, finished_at, fault
from ops.webhook_deliveries as delivery
where delivery.webhook_id = :webhook
"""
_ATTEMPTS = """
select number, started_at, finished_at, outcome, http_status, fault
from ops.webhook_attempts where delivery_id = :delivery order by number
"""
