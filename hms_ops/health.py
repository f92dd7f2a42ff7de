"""The health of the whole installation: one judgement over observed facts, for pages, probes and commands.

`judge` is pure. `read` takes from the ledger what only the ledger knows; whether the servers answer is
observed by the program that asks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from sqlalchemy import Connection

from hms_oms.broker import broker_state
from hms_oms.broker.broker_state import BrokerState
from hms_oms.database import health as signs
from hms_oms.database.refusals import SILENT, Refusal
from hms_oms.jobs import workers as presence
from hms_oms.runtime.format import about, hour, slots
from hms_ops import heartbeats
from hms_ops.documents.calling import Pulse
from hms_ops.heartbeats import STALE_SECONDS
from hms_ops.oncall import doubts, oncall, unreached
from hms_ops.oncall.unreached import OpenIncident

#: The lights of a part: it works; somebody should look at it; it does not do its work; nobody can tell.
OK, WARN, BAD, UNKNOWN = "ok", "warn", "bad", "unknown"
#: Parts without which nothing is handed out, watched or told: then an outside watcher has to call people.
VITAL = ("PostgreSQL", "Redis", "dispatcher", "watch", "pager", "incidents")
#: Facts of the ledger that are older than this, in seconds, say nothing about now.
OLD_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Seen:
    """Whether a server does its work: why not, and since when; no refusal means that it does."""

    refusal: Refusal | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ledger:
    """Facts from the ledger, read at `now`; `doubt` is why a text would reach nobody."""

    now: datetime
    broker: BrokerState | None
    watch: Pulse
    pager: Pulse
    workers: int
    incidents: Sequence[OpenIncident]
    doubt: str | None
    slots: int = 0
    slots_lost: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a judgement rests on. `redis` and `ledger` are None where nobody could look.

    `age` is how old `ledger` is, in seconds.
    """

    postgresql: Seen
    redis: Seen | None
    ledger: Ledger | None
    age: float = 0.0


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the installation: its light, and one sentence without a full stop."""

    name: str
    light: str
    words: str
    since: datetime | None = None

    @property
    def vital(self) -> bool:
        """Whether this is a failure that the installation cannot tell anybody of by itself."""
        return self.light == BAD and self.name in VITAL


def read(connection: Connection) -> Ledger:
    """Read the facts about the health of all parts."""
    pulses = {pulse.name: pulse for pulse in heartbeats.status(connection)}
    now = signs.clock(connection)
    document = oncall.in_force(connection)
    local = heartbeats.sender_is_local(connection)
    workers = presence.live(connection)
    return Ledger(
        now,
        broker_state.read(connection),
        pulses["ops"],
        pulses["pager"],
        len(workers),
        unreached.live(connection),
        doubts.doubt(
            document.document if document else None,
            now,
            sender_is_local=local,
            channels=heartbeats.channels(connection),
        ),
        sum(worker.slots for worker in workers),
        sum(worker.slots_lost for worker in workers),
    )


def judge(facts: Facts, zone: tzinfo) -> list[Part]:
    """Every part with its light, in the order in which one depends on another; times are told in `zone`."""
    parts = [_server("PostgreSQL", facts.postgresql, zone)]
    ledger = facts.ledger
    if ledger is None or facts.age > OLD_SECONDS or facts.postgresql.refusal == SILENT:
        parts.append(_redis(facts.redis, None, zone))
        names = ("dispatcher", "workers", "watch", "pager", "on call", "incidents")
        return [*parts, *(Part(name, UNKNOWN, "cannot tell: the ledger does not answer") for name in names)]
    parts.append(_redis(facts.redis, ledger.broker, zone))
    return [*parts, _dispatcher(ledger.broker), _workers(ledger), *of_calling(ledger)]


def of_calling(ledger: Ledger) -> list[Part]:
    """The parts that see to it that people hear of what is wrong."""
    on_call = (
        Part("on call", OK, "a text would reach somebody")
        if ledger.doubt is None
        else Part("on call", WARN, ledger.doubt)
    )
    programs = [_program("watch", ledger.watch), _program("pager", ledger.pager)]
    return [*programs, on_call, _incidents(ledger.incidents)]


def is_well(parts: Sequence[Part], incidents: Sequence[OpenIncident]) -> bool:
    """Whether no part has failed and no incident waits for somebody to acknowledge it."""
    failed = any(part.light == BAD for part in parts)
    return not failed and not any(incident.state == "open" for incident in incidents)


def troubles(parts: Sequence[Part]) -> list[Part]:
    """Parts that are not well, worst first; unknown ones are left out if their cause is named."""
    order = {BAD: 0, WARN: 1, UNKNOWN: 2}
    named = [part for part in parts if part.light in (BAD, WARN)] or parts
    return sorted((part for part in named if part.light != OK), key=lambda part: order[part.light])


def _server(name: str, probe: Seen, zone: tzinfo) -> Part:
    if probe.refusal is None:
        return Part(name, OK, f"{name} answers and takes writes")
    return Part(name, BAD, f"{name} {probe.refusal.words}{_since(probe.since, zone)}", probe.since)


def _redis(probe: Seen | None, reported: BrokerState | None, zone: tzinfo) -> Part:
    """Redis as it is seen from here, and as the dispatcher has it, who is the one to publish."""
    refusal = reported.refusal if reported is not None and reported.age <= STALE_SECONDS else None
    if reported is not None and refusal is not None:
        since = reported.refused_since
        here = " (here it answers)" if probe is not None and probe.refusal is None else ""
        words = f"cannot hand out: Redis {refusal.words}{_since(since, zone)}{here}"
        return Part("Redis", BAD, words, since)
    if probe is None:
        return Part("Redis", UNKNOWN if reported is None else OK, "Redis was not asked from here")
    if probe.refusal is not None:
        words = f"cannot hand out: Redis {probe.refusal.words}{_since(probe.since, zone)}"
        return Part("Redis", BAD, words, probe.since)
    return Part("Redis", OK, "Redis answers and takes writes")


def _dispatcher(reported: BrokerState | None) -> Part:
    if reported is None:
        return Part("dispatcher", BAD, "no dispatcher has ever been heard: jobs are not handed out")
    if reported.age > STALE_SECONDS:
        words = f"the dispatcher has been silent for {about(reported.age)}: jobs are not handed out"
        return Part("dispatcher", BAD, words)
    if reported.trouble:
        return Part("dispatcher", WARN, f"the dispatcher: {reported.trouble}")
    return Part("dispatcher", OK, f"the dispatcher was heard {about(reported.age)} ago")


def _program(name: str, pulse: Pulse) -> Part:
    does = "nobody is called" if name == "watch" else "no text goes out"
    if pulse.age_seconds is None:
        return Part(name, BAD, f"no {name} has ever been heard: {does}")
    if pulse.stale:
        return Part(name, BAD, f"the {name} has been silent for {about(pulse.age_seconds)}: {does}", pulse.at)
    faults = list(_faults(pulse))
    if faults:
        return Part(name, BAD if pulse.detail.get("fault") else WARN, f"the {name}: {'; '.join(faults)}")
    return Part(name, OK, f"the {name} was heard {about(pulse.age_seconds)} ago")


def _faults(pulse: Pulse) -> Iterator[str]:
    failed = pulse.detail.get("failed_rules")
    if failed:
        yield f"cannot judge {', '.join(failed)}"
    for name in ("fault", "remark", "failing"):
        if pulse.detail.get(name):
            yield str(pulse.detail[name])


def _workers(ledger: Ledger) -> Part:
    number = ledger.workers
    if not number:
        return Part("workers", WARN, "no worker is live")
    live = f"{number} {'worker is' if number == 1 else 'workers are'} live"
    if not ledger.slots_lost:
        return Part("workers", OK, live)
    return Part("workers", WARN, f"{live} with {slots(ledger.slots, ledger.slots_lost)}")


def _incidents(open_ones: Sequence[OpenIncident]) -> Part:
    missed = [incident.name for incident in open_ones if incident.unreached]
    if missed:
        return Part("incidents", BAD, f"{_listed(missed)} reached nobody")
    unattended = [incident.name for incident in open_ones if incident.state == "open"]
    if unattended:
        return Part("incidents", WARN, f"{_listed(unattended)} {_are(unattended)} open and not acknowledged")
    if open_ones:
        names = [incident.name for incident in open_ones]
        return Part("incidents", WARN, f"{_listed(names)} {_are(names)} acknowledged and not over")
    return Part("incidents", OK, "no incident is open")


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(names[:3])}{more}"


def _are(names: Sequence[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _since(moment: datetime | None, zone: tzinfo) -> str:
    return "" if moment is None else f" since {hour(moment, zone)}"
