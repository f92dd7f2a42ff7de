"""Recovery: a job whose message or worker is gone goes back to the backlog under a new attempt.

The attempt is the fence: should the judgement be wrong and the old worker come back, its report meets no
row and changes nothing. So recovery may be quick, and needs no certainty.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta

import redis

from hms_oms.broker import waiting_tickets
from hms_oms.daemon.clock import Clock
from hms_oms.database import statements
from hms_oms.database.connections import RawConnection
from hms_oms.database.refusals import of_redis
from hms_oms.jobs import workers
from hms_oms.jobs.losses import lose
from hms_oms.jobs.tickets import Ticket
from hms_oms.jobs.workers import BEAT_SECONDS, GONE_SECONDS, SILENT_SECONDS

log = logging.getLogger(__name__)

#: How often the leader looks for what is lost, in seconds.
SWEEP_SECONDS = 1.0
#: A message may be on its way this long before anybody asks for it, in seconds.
GRACE_SECONDS = 2.0
#: A ticket that nobody shows for this long is lost, in seconds, once each live worker has been heard since.
MISSING_SECONDS = BEAT_SECONDS + 1.0
#: A worker names a message that it has taken this much later at most.
NAMED = timedelta(seconds=1)
#: No worker is waited for longer than this before what nobody shows is lost, in seconds: with the time that a
#: message may be on its way, as long as for one that is silent.
DOUBT_SECONDS = GONE_SECONDS - GRACE_SECONDS
#: A new leader hears the workers for this long before it judges any, in seconds.
HEARING_SECONDS = GONE_SECONDS
#: After an answer of the database that took so long, or so long without a sweep, the workers are heard again
#: before any is judged, in seconds. While no job is open five seconds lie between two sweeps.
STALLED_SECONDS, AWAY_SECONDS = 3.0, GONE_SECONDS + 1.0
#: How often the rows of workers that are long gone are looked for, in seconds.
FORGET_EVERY_SECONDS = 3600.0

#: A live worker that does not name a step this long after the claim does not have it, in seconds.
UNHELD_SECONDS = 2 * BEAT_SECONDS


class Recovery:
    """One sweep after the other, by the leader only.

    Nobody is judged by the beats during the first seconds: after an absence of the database all
    beats are old, and the workers need a moment to be heard again. If the leaders before have `watched` for
    so many seconds up to now, only a worker whose session has ended gets that moment.
    """

    def __init__(self, connection: RawConnection, redis_client: redis.Redis, watched: float = 0.0) -> None:
        self.connection = connection
        self.redis = redis_client
        self._took_over = time.monotonic()
        self._began = self._took_over - watched
        self._forgot = -FORGET_EVERY_SECONDS
        # Since when, by our clock and by the database's.
        self._missing: dict[Ticket, tuple[float, datetime]] = {}
        self._clock = Clock()

    def sweep(self, *, messages: bool = True, in_flight_from: datetime | None = None) -> int:
        """Find what is lost and take it back; return how many jobs that were.

        Without `messages` nothing is asked of Redis, which is known not to answer, or not as it should. All
        jobs in flight were taken since `in_flight_from`; with None they are looked for from the beginning.
        """
        now = time.monotonic()
        if now - self._forgot > FORGET_EVERY_SECONDS:
            workers.forget(self.connection)
            self._forgot = now
        self._follow_clock()
        judge = now - self._began > HEARING_SECONDS
        if judge:
            # First, so that what they held is free when their jobs are taken back.
            ended = workers.end_sessions(self.connection)
            if ended:
                log.warning("recovery: %d transactions of lost workers ended", ended)
        orphans = self._orphans(judge, in_flight_from)
        lost = (
            lose(self.connection, orphans["gone"], "the worker is gone", blame="worker")
            # The claim, or its answer, went astray: no step was running.
            + lose(self.connection, orphans["unheld"], "its worker does not have it", blame="none")
            # After an absence of the database, reports of steps past their lease may be on their way.
            + lose(
                self.connection, orphans["expired"] if judge else [], "the lease has run out", blame="none"
            )
        )
        if not messages:
            self._missing.clear()
            return lost
        # Last, since Redis may take long to say nothing.
        missing = self._without_message(now, judge, in_flight_from)
        return lost + lose(self.connection, missing, "the message is gone", blame="none")

    def _follow_clock(self) -> None:
        """Have what is a length of time, as a lease is, follow a jump of the database's clock."""
        jump = self._clock.jump(self.connection)
        if self._clock.took > STALLED_SECONDS or self._clock.away > AWAY_SECONDS:
            # The database may have answered nobody: heartbeats are old, and claims older than they look.
            self._took_over = self._began = time.monotonic()
            self._missing.clear()
        if jump is None:
            # It may have been set back while nobody led.
            statements.run_raw(self.connection, "clamp_ahead", {})
        elif jump:
            shifted = statements.run_raw(self.connection, "shift_lengths", {"seconds": jump})
            log.warning("the database's clock has jumped by %.0f s: %d leases follow", jump, len(shifted))
            by = timedelta(seconds=jump)
            self._missing = {ticket: (since, at + by) for ticket, (since, at) in self._missing.items()}

    def _absence(self) -> dict[str, float]:
        """How long a worker may be silent, and one whose session has ended, in seconds."""
        # The way to the database may have been gone between two leaders, and all sessions with it.
        is_new = time.monotonic() - self._took_over <= HEARING_SECONDS
        return {"gone": GONE_SECONDS, "silent": GONE_SECONDS if is_new else SILENT_SECONDS}

    def _orphans(self, judge_workers: bool, in_flight_from: datetime | None) -> dict[str, list[Ticket]]:
        asked = {"unheld": UNHELD_SECONDS, "judge_workers": judge_workers, "in_flight_from": in_flight_from}
        rows = statements.run_raw(self.connection, "orphans", {**self._absence(), **asked})
        orphans: dict[str, list[Ticket]] = {"gone": [], "unheld": [], "expired": []}
        for row in rows:
            orphans[row["reason"]].append(Ticket(row["job"], row["attempt"], row["step"]))
        return orphans

    def _without_message(
        self, now: float, judge_workers: bool, in_flight_from: datetime | None
    ) -> list[Ticket]:
        """Queued steps that nobody shows: not Redis, and no live worker that has been heard since."""
        asked = {"grace": GRACE_SECONDS, "in_flight_from": in_flight_from}
        rows = statements.run_raw(self.connection, "unclaimed", {**self._absence(), **asked})
        if not rows:
            self._missing.clear()
            return []
        try:
            in_redis = waiting_tickets.tickets(self.redis, {row["queue"] for row in rows})
        except redis.RedisError as error:
            # Nothing can be said about messages while Redis does not answer, or does not let them be seen.
            log.warning("recovery: Redis %s (%s)", of_redis(error).words, type(error).__name__)
            self._missing.clear()
            return []
        absent: dict[Ticket, tuple[float, datetime]] = {}
        lost: list[Ticket] = []
        for row in rows:
            ticket = Ticket(row["job"], row["attempt"], row["step"])
            if str(ticket) in in_redis or row["held"]:
                continue
            since, looked_at = absent[ticket] = self._missing.get(ticket, (now, row["looked_at"]))
            # Heartbeats of a busy host come late, and what they will name is not lost; but a step that holds
            # the interpreter keeps its worker from naming anything.
            is_certain = row["oldest_beat_at"] is None or row["oldest_beat_at"] - looked_at >= NAMED
            is_over = now - since >= (MISSING_SECONDS if is_certain else DOUBT_SECONDS)
            if is_over or (judge_workers and row["gone_with_worker"]):
                lost.append(ticket)
        self._missing = absent
        return lost if judge_workers else []
