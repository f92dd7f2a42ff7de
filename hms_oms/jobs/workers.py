"""Worker processes, one row each with a heartbeat every two seconds; the writer of oms.workers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from hms_oms.database import statements
from hms_oms.database.connections import RawConnection

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: A worker beats this often, in seconds ...
BEAT_SECONDS = 2.0
#: ... and is taken for gone when its last beat is older than this ...
GONE_SECONDS = 6.0
#: ... or older than this, and the connection that its beats came through has ended.
SILENT_SECONDS = 3.5
#: The row of a worker that was killed is kept this long, in seconds.
FORGET_SECONDS = 86400.0


@dataclass(frozen=True)
class Beat:
    """Heartbeat of a worker; `id` is unique to its process.

    `tickets` are those it holds and `begun` those of them that run, as it said `tickets_age` seconds ago. Of
    its `slots` those are lost that do no more work: steps that do not end at their limit hold them, or it is
    to be replaced, and takes nothing more from `left_queues`. With `held_because` its host is over a limit,
    and it starts nothing more until that is over.
    """

    id: str
    name: str
    host: str
    pid: int
    pool: str
    slots: int
    queues: Sequence[str]
    steps: Sequence[str]
    tickets: Sequence[str]
    cpu_percent: float
    rss_bytes: int
    begun: Sequence[str] = field(default=(), kw_only=True)
    tickets_age: float = field(default=0.0, kw_only=True)
    slots_lost: int = field(default=0, kw_only=True)
    left_queues: Sequence[str] = field(default=(), kw_only=True)
    memory_percent: float = field(default=0.0, kw_only=True)
    held_because: str | None = field(default=None, kw_only=True)


@dataclass(frozen=True)
class Worker(Beat):
    """A worker as the ledger has it."""

    started_at: datetime
    beat_at: datetime

    def live_slots(self, queue: str) -> int:
        """Count the slots that serve this queue now."""
        serves = queue in self.queues and self.held_because is None
        return self.slots - self.slots_lost if serves else 0

    def lost_slots(self, queue: str) -> int:
        """Count the slots of this queue that are lost to hung steps."""
        return self.slots_lost if queue in self.queues or queue in self.left_queues else 0


def beat(connection: RawConnection, said: Beat) -> list[str]:
    """Record a worker's heartbeat; return the tickets of steps it runs that the ledger has given up."""
    session = None if connection.pooled else connection.info.backend_pid
    values = {**vars(said), "begun": list(said.begun), "left_queues": list(said.left_queues)}
    values |= {"backend_pid": session}
    return [row["ticket"] for row in statements.run_raw(connection, "beat", values)]


def worker_id(name: str, pid: int, token: str) -> str:
    """Unique id of a worker process; `pid` is that of the parent process.

    Containers look alike, down to host name and pid, so each process adds a random token of its own.
    """
    return f"{name}/{pid}/{token}"


def session_name(purpose: str, worker: str) -> str:
    """The name of a worker's session, as recovery knows it: names are cut off, and a short token is not."""
    token = hashlib.md5(worker.encode(), usedforsecurity=False).hexdigest()[:8]
    return f"hms {purpose} {token} {worker}"


def end_sessions(connection: RawConnection) -> int:
    """End the transactions that workers have open that are not heard any more; return how many."""
    return len(statements.run_raw(connection, "end_sessions", {"gone": GONE_SECONDS}))


def leave(connection: RawConnection, worker: str) -> None:
    """Remove a worker that stops in good order."""
    with connection.cursor() as cursor:
        cursor.execute("delete from oms.workers where id = %s", (worker,))


def forget(connection: RawConnection) -> None:
    """Remove the rows of workers that were killed long ago; nothing refers to them any more."""
    statements.run_raw(connection, "forget", {"seconds": FORGET_SECONDS})


def live(connection: Connection) -> list[Worker]:
    """The workers whose last beat is fresh."""
    rows = statements.run(connection, "live_workers", {"gone": GONE_SECONDS})
    return [Worker(**row) for row in rows]
