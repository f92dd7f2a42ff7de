"""The daemon that delivers events to webhooks, and sees which jobs are late and which cycles have ended.

The ledger's work is done by the leader's thread alone; requests fly in threads of their own, a few for each
webhook, so that a slow receiver delays no other.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial

from sqlalchemy import Connection, text

from hms_oms.cycles import cycles
from hms_oms.daemon.clock import Clock
from hms_oms.daemon.isolation import Apart
from hms_oms.database.connections import RawConnection
from hms_ops.paging.requests import InFlight
from hms_ops.webhooks import outbox
from hms_ops.webhooks.outbox import Receiver, Taken
from hms_ops.webhooks.sending import BREAK_AFTER, LONGEST_WAIT_SECONDS, Courier, Outcome, after
from hms_ops.webhooks.signing import NoEventsKey

log = logging.getLogger(__name__)

#: How often it is looked for events, in seconds: without webhooks, with them, while requests are under way.
QUIET_SECONDS, LOOK_SECONDS, FLYING_SECONDS = 2.0, 0.5, 0.02
#: How many requests may be under way, to one webhook and in all.
FOR_ONE, FOR_ALL = 4, 24
#: How often it is looked for late jobs and ended cycles, in seconds; a look may take this share of the time.
SWEEP_SECONDS, SHARE = 1.0, 0.05
#: How often late jobs are looked for from the beginning, how far back else, and how many at once.
WHOLE_SECONDS, RECENT_SECONDS, MOST_LATE = 60.0, 120.0, 2000
#: How often old events are removed, in seconds.
TIDY_SECONDS = 600.0
#: An event may be written out until so long after it was taken, in seconds.
WRITE_SECONDS = 25.0

#: Opens a transaction in which only the leader writes.
Begin = Callable[[], AbstractContextManager[Connection]]


class Webhooks:
    """Each turn records what came back, tells of what is late or over, and sends what is due."""

    least_seconds = 0.01

    def __init__(
        self, connection: RawConnection, begin: Begin, courier: Courier, key: Callable[[], bytes]
    ) -> None:
        self.connection = connection
        self.begin = begin
        self.in_flight = InFlight()
        self._courier = courier
        self._key = key
        self._apart = Apart()
        self._clock = Clock()
        self._swept = self._whole = self._tidied = float("-inf")

    def turn(self) -> float:
        """Do what is due; return after how many seconds to look again."""
        with self._apart.doing("recording what came back"):
            self.in_flight.land()
        receivers = outbox.active(self.connection)
        self._sweep(receivers, time.monotonic())
        with self._apart.doing("sending events"):
            self._send(receivers)
        if self.in_flight.any:
            return FLYING_SECONDS
        return LOOK_SECONDS if receivers else QUIET_SECONDS

    def _sweep(self, receivers: Sequence[Receiver], now: float) -> None:
        if now < self._swept:
            return
        self._follow_clock()
        with self._apart.doing("taking events back"):
            if outbox.take_back(self.connection):
                log.warning("events taken back: the process that sent them is gone")
            if given_up := outbox.give_up(self.connection):
                log.error("%d events could not be delivered in time", given_up)
        asked = {event for receiver in receivers for event in receiver.events}
        if asked & {"job.late", "cycle.late"}:
            with self._apart.doing("telling of late jobs"), self.begin() as connection:
                whole = now >= self._whole
                outbox.announce_late(connection, whole=whole, recent=RECENT_SECONDS, most=MOST_LATE)
                if whole:
                    self._whole = now + WHOLE_SECONDS
        if asked & {"cycle.ended"}:
            with self._apart.doing("telling of ended cycles"), self.begin() as connection:
                announce_ends(connection)
        if now >= self._tidied:
            self._tidied = now + TIDY_SECONDS
            with self._apart.doing("removing old events"), self.begin() as connection:
                outbox.remove_old(connection)
        ended = time.monotonic()
        self._swept = ended + max(SWEEP_SECONDS, (ended - now) / SHARE)

    def _follow_clock(self) -> None:
        with self._apart.doing("following the database's clock"):
            jump = self._clock.jump(self.connection)
            if jump is not None and jump >= 0:
                return
            if outbox.follow_clock(self.connection, -(jump or 0.0), longest=LONGEST_WAIT_SECONDS):
                log.warning("the database's clock was set back: events follow")

    def _send(self, receivers: Sequence[Receiver]) -> None:
        free = {receiver.id: self.in_flight.room(_lane(receiver.id), FOR_ONE) for receiver in receivers}
        left = FOR_ALL - sum(FOR_ONE - room for room in free.values())
        rooms = {}
        for receiver in receivers:
            most = 0 if receiver.seconds_alone > 0 else 1 if receiver.failures >= BREAK_AFTER else FOR_ONE
            room = min(most - (FOR_ONE - free[receiver.id]), left)
            if room > 0:
                rooms[receiver.id] = room
                left -= room
        by_id = {receiver.id: receiver for receiver in receivers}
        for taken in outbox.take(self.connection, rooms):
            receiver = by_id[taken.webhook]
            work = partial(self._attempt, receiver, taken, time.monotonic() + WRITE_SECONDS)
            self.in_flight.start(_lane(receiver.id), work, partial(self._landed, receiver, taken))

    def _attempt(self, receiver: Receiver, taken: Taken, write_by: float) -> Outcome:
        try:
            key = self._key()
        except NoEventsKey as error:
            return Outcome("not sent", fault=str(error))
        return self._courier.deliver(receiver, key, taken, write_by)

    def _landed(self, receiver: Receiver, taken: Taken, outcome: Outcome) -> None:
        following = after(
            outcome, attempt=taken.attempt, failures=receiver.failures, seconds_left=taken.seconds_left
        )
        outbox.answered(
            self.connection,
            taken,
            state=following.state,
            outcome=outcome.outcome,
            http_status=outcome.http_status,
            fault=outcome.fault,
            delay=following.delay,
            alone=following.alone,
            gone=outcome.gone,
        )
        if following.state == "failed":
            log.error("webhook %s: event %s is given up: %s", receiver.name, taken.event_id, outcome.fault)
        elif following.state == "pending":
            log.warning(
                "webhook %s: event %s was not delivered: %s", receiver.name, taken.event_id, outcome.fault
            )


def _lane(webhook: int) -> str:
    return f"webhook {webhook}"


def announce_ends(connection: Connection) -> None:
    """Tell of the cycles that have ended, in the transaction that marks them."""
    for cycle in cycles.note_ends(connection):
        counts = {name: count for name, count in asdict(cycle).items() if name not in ("type", "ended_at")}
        outbox.announce(
            connection,
            event_id=f"cycle-{cycle.id}-ended",
            event="cycle.ended",
            subject=f"cycle-{cycle.id}",
            at=cycle.ended_at,
            job_type=cycle.type,
            data=json.dumps(counts | {"type": cycle.type, "endedAt": cycle.ended_at.isoformat()}),
        )


def source(connection: Connection) -> str:
    """What events say that they come from: this installation's own name."""
    number = connection.scalar(text("select id from oms.installation"))
    return f"urn:uuid:{number}"
