"""The pager: hands over what is in the outbox, pages first, each text exactly once as far as can be known.

The ledger's work is done by the leader's thread alone, one committed statement at a time; requests to the
provider fly in threads of their own, and no transaction spans one. So a page waits neither for a slow page
to another phone nor for the texts to applicants, which have a few threads and a rate of their own.

A leader that is killed leaves attempts open. Their leases end; then what it was about to send is `unknown`,
and the provider is asked, as after an answer that was lost.
"""

from __future__ import annotations

import logging
import re
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from hms_oms.daemon.clock import Clock
from hms_oms.daemon.isolation import Apart
from hms_oms.database.connections import RawConnection
from hms_oms.messages import delivery, inbound
from hms_oms.messages.recipients import channel_of
from hms_oms.messages.records import Asked, Dispatch, OutgoingText, WaitingPage, WaitingText
from hms_ops.paging import calls, merging, reconcile
from hms_ops.paging import outcomes as attempts
from hms_ops.paging.channels.channels import Channels
from hms_ops.paging.circuit_breaker import CircuitBreaker
from hms_ops.paging.requests import InFlight
from hms_ops.paging.senders import Outcome, Result, Sender, Sighting
from hms_ops.paging.throttle import LONGEST, Rate, Sent

log = logging.getLogger(__name__)

#: How often the outbox is looked at when nobody calls, in seconds ...
IDLE_SECONDS = 0.5
#: ... and while requests are under way.
AIRBORNE_SECONDS = 0.02
#: How often what is stuck, overdue or unheard of is looked for, in seconds.
SWEEP_SECONDS = 0.5
#: How often the pager says that it is there, in seconds.
BEAT_SECONDS = 2.0
#: How many requests may be under way: pages, those to channels, texts to applicants, and questions about any.
PAGES, CHANNELS, TEXTS, ASKED_PAGES, ASKED_TEXTS = 8, 8, 4, 4, 2

#: The lanes of questions, with whether those are about pages.
_ASKED = (("asked pages", True, ASKED_PAGES), ("asked texts", False, ASKED_TEXTS))
_DIALLABLE = re.compile(r"\+[1-9]\d{6,14}")

Beat = Callable[[Mapping[str, Any]], None]
W = TypeVar("W", WaitingPage, WaitingText)


class Delivery:
    """Each turn lands what came back, and starts what is due: pages, then texts to applicants.

    `channels` are the channels beside the sender; `beat` is called every few seconds with what the pager has
    to say of itself.
    """

    #: A page is taken up as soon as it is called.
    least_seconds = 0.005

    def __init__(
        self,
        connection: RawConnection,
        sender: Sender,
        beat: Beat | None = None,
        channels: Channels | None = None,
    ) -> None:
        self.connection = connection
        self.sender, self.channels = sender, channels
        self.breaker = CircuitBreaker(sender.name)
        self.in_flight = InFlight()
        self._rate = Rate(sender.per_second)
        self.beat = beat
        self._apart = Apart()
        self._clock = Clock()
        self._may_be_due: set[str] = set()
        self._swept = self._beaten = float("-inf")

    def turn(self) -> float:
        """Do what is due; return after how many seconds to look again."""
        with self._apart.doing("recording what came back"):
            self.in_flight.land()
        now = time.monotonic()
        if not self.in_flight.any and not delivery.is_open(self.connection):
            # Nothing to sweep, and nothing to send: a page calls, and a text waits for the next look.
            self._clock.forget()
            self._say(now)
            return IDLE_SECONDS
        if now - self._swept >= SWEEP_SECONDS:
            self._swept = now
            self._sweep()
            self._may_be_due = {lane for lane, _, _ in _ASKED}
        self._ask_what_is_due()
        more = False
        is_open = self.breaker.lets_pages(now)
        with self._apart.doing("sending pages"):
            self._send_pages(self.in_flight.room("pages", PAGES) if is_open else 0)
        if is_open and self.breaker.lets_texts(now):
            with self._apart.doing("sending texts to applicants"):
                more = self._send_texts(now)
        self._say(now)
        if more:
            return 0.0
        return AIRBORNE_SECONDS if self.in_flight.any else IDLE_SECONDS

    def _sweep(self) -> None:
        with self._apart.doing("following the database's clock"):
            jump = self._clock.jump(self.connection)
            # One that was set ahead only has texts wait for less.
            if jump is None or jump < 0:
                moved = delivery.follow_clock(self.connection, -(jump or 0.0))
                if moved:
                    log.warning("the database's clock was set back: %d texts follow", moved)
        with self._apart.doing("looking for texts that are too late"):
            expired = delivery.expire(self.connection)
            if expired:
                log.error("%d texts could not be sent in time", expired)
        with self._apart.doing("taking texts back"):
            self._take_back()

    def _ask_what_is_due(self) -> None:
        """Ask for as many as there is room for: those that an answer makes room for go at once."""
        for lane, page, most in _ASKED:
            room = self.in_flight.room(lane, most) if lane in self._may_be_due else 0
            if not room:
                continue
            with self._apart.doing(f"asking for {lane.removeprefix('asked ')}"):
                due = delivery.to_ask(self.connection, page=page, count=room)
                if len(due) < room:
                    # Until the next sweep nothing is.
                    self._may_be_due.discard(lane)
                for asked in due:
                    self._ask(lane, asked)

    def _take_back(self) -> None:
        """Release the texts of a lost taker: unknown if its attempt had begun, pending if not."""
        answers = []
        for taken in delivery.ended_leases(self.connection):
            result = Result.NOT_SENT if taken.open_at is None else Result.UNKNOWN
            repeatable = self.sender.repeatable and taken.open_at == self.sender.name
            answers.append(
                attempts.after(Outcome(result, fault="its sender is gone"), taken, repeatable=repeatable)
            )
        if answers:
            log.warning("%d texts taken back: their leases have run out", len(answers))
            delivery.answered(self.connection, answers)

    def _send_pages(self, phones: int) -> None:
        """Hand over the next pages: those to so many phones, and those to channels, which wait for none."""
        channels = self.in_flight.room("pages to channels", CHANNELS)
        waiting = delivery.waiting_pages(self.connection, phones, channels) if phones or channels else []
        pages = self._sendable(waiting)
        if not pages:
            return
        now = pages[0].now
        sends: dict[str, list[Sent]] = defaultdict(list)
        recipients = {page.id: page.recipient for page in pages}
        for row in delivery.sends(self.connection, sorted({*recipients.values()}), LONGEST.total_seconds()):
            sends[row["recipient"]].append(Sent(row["at"], row["kind"]))
        outgoing, held = merging.plan(pages, sends, now)
        delivery.hold(self.connection, held)
        by_sender: dict[Sender, list[OutgoingText]] = defaultdict(list)
        for text in outgoing:
            sender = self._sender_of(recipients[text.id])
            # A channel that is removed at this moment is refused in the next turn.
            if sender is not None:
                by_sender[sender].append(text)
        for sender, texts in by_sender.items():
            self._hand_over("pages" if sender is self.sender else "pages to channels", texts, sender)

    def _send_texts(self, now: float) -> bool:
        """Hand over the next texts to applicants; whether there may be more to do at once."""
        lanes = 1 if self.sender.local else self.in_flight.room("texts", TEXTS)
        room = lanes * self.sender.at_once
        count = self._rate.allowed(now, room)
        waiting = delivery.waiting_texts(self.connection, count) if count else []
        if not waiting:
            return False
        texts = self._sendable(waiting)
        self._rate.spend(len(texts))
        self._hand_over("texts", [OutgoingText(text.id, text.fence) for text in texts], self.sender)
        return self.sender.local and len(waiting) == count

    def _sendable(self, waiting: Sequence[W]) -> list[W]:
        """Without those that cannot be sent at all; these are refused, and no attempt is made."""
        refused = []
        for text in waiting:
            if text.opted_out:
                refused.append((text.id, text.fence, "the recipient answered STOP"))
            elif self._sender_of(text.recipient) is None:
                refused.append((text.id, text.fence, f"there is no channel {channel_of(text.recipient)}"))
            elif channel_of(text.recipient) is None and not _DIALLABLE.fullmatch(text.recipient):
                refused.append((text.id, text.fence, "not a number that can be dialled"))
        delivery.refuse(self.connection, refused)
        gone = {message for message, _, _ in refused}
        return [text for text in waiting if text.id not in gone]

    def _sender_of(self, recipient: str) -> Sender | None:
        """The sender for this recipient; None if it is a channel that there is not."""
        if channel_of(recipient) is None:
            return self.sender
        return self.channels.of(recipient) if self.channels is not None else None

    def _hand_over(self, lane: str, outgoing: Sequence[OutgoingText], sender: Sender) -> None:
        taken = delivery.begin(self.connection, outgoing, sender.name)
        texts = [calls.worded(text) for text in taken]
        size = sender.at_once
        for start in range(0, len(texts), size):
            batch = texts[start : start + size]
            landed = partial(self._sent, sender, batch)
            if sender.local:
                landed(calls.send(sender, batch))
            else:
                self.in_flight.start(lane, partial(calls.send, sender, batch), landed)

    def _sent(self, sender: Sender, batch: Sequence[Dispatch], outcomes: Sequence[Outcome]) -> None:
        """Record how a hand-over went."""
        pairs = list(zip(batch, map(attempts.kept, outcomes), strict=True))
        answers = [attempts.after(outcome, text, repeatable=sender.repeatable) for text, outcome in pairs]
        states = delivery.answered(self.connection, answers)
        now = time.monotonic()
        for text, outcome in pairs:
            if sender is self.sender:
                self.breaker.note(outcome, now)
            elif self.channels is not None:
                self.channels.note(text.recipient, outcome)
            if outcome.result is Result.OPTED_OUT:
                inbound.opt_out(self.connection, text.recipient)
            if states.get(text.id) == "failed":
                log.error("text %d (%s) was refused: %s", text.id, text.kind, outcome.fault)
            elif states.get(text.id) == "unknown":
                log.warning("text %d (%s): the answer was lost: %s", text.id, text.kind, outcome.fault)
        self._hear_early({outcome.sid: text for text, outcome in pairs if outcome.sid})

    def _hear_early(self, known: Mapping[str, Dispatch]) -> None:
        """Apply the callbacks that came before anybody knew whose they are."""
        for callback in inbound.early(self.connection, list(known)) if known else ():
            assert callback.sid is not None
            text = known[callback.sid]
            attempts.reported(
                self.connection, text.id, text.attempt, callback.status, callback.sid, callback.code
            )

    def _ask(self, lane: str, asked: Asked) -> None:
        if channel_of(asked.text.recipient) is not None:
            # No channel can be asked.
            self._looked_up(asked, None, askable=False)
            return
        worded = replace(asked, text=calls.worded(asked.text))
        if self.sender.local:
            self._looked_up(asked, calls.look_up(self.sender, asked.text, worded.text))
        else:
            self.in_flight.start(
                lane,
                partial(calls.look_up, self.sender, asked.text, worded.text),
                partial(self._looked_up, asked),
            )

    def _looked_up(self, asked: Asked, sightings: Sequence[Sighting] | None, *, askable: bool = True) -> None:
        """Take over what the provider says of a text, or do what follows where it says nothing."""
        text = asked.text
        claimed = delivery.claimed(self.connection, text, [sighting.sid for sighting in sightings or ()])
        outcome = reconcile.seen(sightings or (), claimed, asked.started_at, text.sid)
        if outcome is not None:
            attempts.reported(
                self.connection, text.id, text.attempt, outcome.status, outcome.sid, outcome.code
            )
            if asked.state == "unknown":
                return
        looks = asked.polls + (sightings is not None)
        step = reconcile.next_step(asked, looks, askable=askable)
        state = delivery.settle(
            self.connection,
            asked,
            step.state,
            polls=looks,
            delay=step.delay,
            resend=step.resend,
            fault=step.fault,
        )
        if state in ("pending", "failed"):
            log.warning("text %d (%s) is nowhere to be found: %s", text.id, text.kind, state)

    def _say(self, now: float) -> None:
        if self.beat is not None and now - self._beaten >= BEAT_SECONDS:
            self._beaten = now
            names = list(self.channels.names) if self.channels is not None else []
            said = (self.sender.remark, self.channels and self.channels.remark, self._apart.words)
            remark = "; ".join(remark for remark in said if remark)
            beat = {"sender": self.sender.name, "fault": self.breaker.fault, "remark": remark or None}
            self.beat({**beat, "channels": names})
