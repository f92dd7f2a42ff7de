"""Settle the ledger after a restore: what was in progress at the backup, and what Redis lacks of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import redis
from sqlalchemy import Connection, text

from hms_act import recovery
from hms_oms.broker import waiting_tickets
from hms_oms.database import statements
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import losses, workers
from hms_oms.jobs.tickets import Ticket
from hms_oms.messages import delivery


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Numbers of jobs, attempts and texts in progress.

    `queued` and `running` are jobs of workers, `reserved` those of agents, `reading` cycles whose file was
    not read to the end; `texts` and `pages` have not left the outbox, as far as it knows: for so many the
    `attempts` to send them are open, and of the `unknown` the answer was lost.
    """

    open: int
    queued: int
    running: int
    reserved: int
    reading: int
    texts: int
    pages: int
    attempts: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Restore:
    """One restore of the ledger, with what was under way in the backup."""

    restored_at: datetime
    backup_at: datetime | None
    under_way: UnderWay


@dataclass(frozen=True, slots=True)
class Gaps:
    """Differences between the ledger and Redis; dispatcher and pager settle all of them.

    `lost` tickets are not in Redis and with no live worker; `strays` are in Redis and good for nothing; the
    workers of `void` steps are gone.
    """

    lost: int
    strays: int
    void: int


def settle(connection: RawConnection, backup_at: datetime | None) -> Restore:
    """Take back what was under way in a ledger that has just been restored, before anything works on it.

    Steps run again as nobody's failure; texts that had not gone are taken for such as may have gone; no id
    is given again that was given after the backup. All in the caller's transaction.
    """
    under_way = _under_way(statements.run_raw(connection, "under_way", {})[0])
    losses.lose(connection, _tickets(connection), "the ledger was restored from a backup", blame="none")
    delivery.doubt(connection)
    statements.run_raw(connection, "jump_ids", {})
    with connection.cursor() as cursor:
        cursor.execute(
            "insert into oms.restores (backup_at, found) values (%s, %s) returning restored_at",
            (backup_at, json.dumps(asdict(under_way))),
        )
        [restored_at] = cursor.fetchone() or (None,)
    assert restored_at is not None
    return Restore(restored_at, backup_at, under_way)


def last(connection: Connection) -> Restore | None:
    """The last restore; None if the ledger never was."""
    query = "select restored_at, backup_at, found from oms.restores order by id desc limit 1"
    row = connection.execute(text(query)).mappings().first()
    return Restore(row["restored_at"], row["backup_at"], _under_way(row["found"])) if row else None


def under_way(connection: Connection) -> UnderWay:
    """Read the numbers of jobs, attempts and texts in progress."""
    return _under_way(dict(statements.run(connection, "under_way", {})[0]))


def gaps(connection: RawConnection, redis_client: redis.Redis | None) -> Gaps:
    """Compare the ledger with Redis; without a Redis everything is missing there. Raises redis.RedisError."""
    parameters = {
        "gone": workers.GONE_SECONDS,
        "silent": workers.SILENT_SECONDS,
        "in_flight_from": None,
    }
    rows = statements.run_raw(connection, "unclaimed", {**parameters, "grace": recovery.GRACE_SECONDS})
    in_redis = (
        waiting_tickets.tickets(redis_client, _queues(connection)) if redis_client is not None else set()
    )
    good = {str(ticket) for ticket in _tickets(connection)}
    orphans = statements.run_raw(
        connection, "orphans", {**parameters, "unheld": recovery.UNHELD_SECONDS, "judge_workers": True}
    )
    lost = [row for row in rows if not row["held"] and str(_ticket(row)) not in in_redis]
    return Gaps(len(lost), len(in_redis - good), len(orphans))


def _tickets(connection: RawConnection) -> list[Ticket]:
    """The tickets that the ledger takes for good: queued, or running at a worker."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select id, attempt, steps[step + 1] from oms.jobs"
            " where dispatched_at is not null and finished_at is null and (status = 'queued' or not agent)"
        )
        return [Ticket(*row) for row in cursor.fetchall()]


def _queues(connection: RawConnection) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("select name from oms.queues")
        return [name for (name,) in cursor.fetchall()]


def _ticket(row: Mapping[str, Any]) -> Ticket:
    return Ticket(row["job"], row["attempt"], row["step"])


def _under_way(row: Mapping[str, Any]) -> UnderWay:
    return UnderWay(**row)
