"""Wording of incidents: texts of one GSM-7 segment, and sentences. There is no other phrasing.

Texts leave room for the word that marks one as sent again. Times are those of a zone, with its name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from hms_oms.messages.gsm7 import ONE_SEGMENT, encodable, septets
from hms_oms.runtime.format import about, hour_and_zone, minutes, percent, share
from hms_ops.forecast import advice
from hms_ops.forecast.cause import read
from hms_ops.incidents import signals
from hms_ops.incidents.signals import Signal
from hms_ops.incidents.stages import LATENESS
from hms_ops.incidents.store import Incident
from hms_ops.incidents.words import horizon_words, lateness_words, schedule_words
from hms_ops.rules import RULES

#: Room for " (resend)".
ROOM = ONE_SEGMENT - len(" (resend)")
#: The longest name of a queue or host in a text, in septets.
NAME = 40
#: So few words of a clause are left out if the clause does not fit.
FEW_WORDS = 5
#: The longest name of a person in a text, in septets.
WHO = 30

Facts = Mapping[str, Any]
#: A moment, as people read it.
Clock = Callable[[str | datetime], str]


def page(incident: Incident, zone: tzinfo, *, by_text: bool = True) -> str:
    """The text that calls somebody; `by_text`: it may be replied to."""
    again = " again" if incident.page_seq > 1 else ""
    return _fitted(f"{_heading(incident)}{again}: ", phrase(incident, zone), f". {_how(incident, by_text)}")


def flapping(incident: Incident, zone: tzinfo, *, by_text: bool = True) -> str:
    """The one text about an incident that flaps."""
    how = f". No more texts until it is steady. {_how(incident, by_text)}"
    return _fitted(f"{_heading(incident)} is flapping: ", phrase(incident, zone), how)


def ended(incident: Incident, zone: tzinfo) -> str:
    """The text to those who were called, when it is over."""
    assert incident.resolved_at is not None
    by = f"closed by {encodable(incident.resolved_by, WHO)}" if incident.resolved_by else "over"
    listed = f" {_count(incident.late_jobs, 'job was', 'jobs were')} late." if incident.late_jobs else ""
    return f"{_heading(incident)}: {by} at {clock(zone)(incident.resolved_at)}.{listed}"


def merged(
    incidents: Sequence[tuple[str | None, str | None]],
    over: Collection[str | None] = (),
    *,
    by_text: bool = True,
) -> str:
    """One text about several incidents, each a reference and a queue: names as many as fit, counts all.

    `over` are the references of those that have ended.
    """
    ended_all = all(reference in over for reference, _ in incidents)
    opening = f"HMS: {len(incidents)} incidents{' over' if ended_all else ''}: "
    closing = ". Reply ACK ALL." if by_text and not ended_all else "."
    names = [
        f"{_name(queue)} #{reference}{' (over)' if reference in over and not ended_all else ''}"
        for reference, queue in incidents
    ]
    for named in range(len(names), -1, -1):
        more = [f"+{len(names) - named} more"] if named < len(names) else []
        text = opening + ", ".join(names[:named] + more) + closing
        if septets(text) <= ROOM:
            return text
    raise AssertionError("a count always fits")


def test_page(now: datetime, zone: tzinfo, place: str) -> str:
    """A text that only shows that texts arrive at a phone or channel."""
    return f"HMS test at {clock(zone)(now)}: texts reach this {place}. Nothing is wrong."


def sentence(incident: Incident, zone: tzinfo) -> str:
    """Sentence about an incident for a screen, without its reference; of a past one, how bad it was."""
    was = _WAS.get(incident.rule) if incident.state == "resolved" else None
    return f"{_place(incident)}: {was(incident) if was else phrase(incident, zone)}."


def title(rule: str) -> str:
    """Title of a rule."""
    return next((rule_class.title for rule_class in RULES if rule_class.name == rule), rule)


def phrase(incident: Incident, zone: tzinfo) -> str:
    """Last finding of the rule as part of a sentence, with the trouble that explains it."""
    at = clock(zone)
    if incident.clear_since is not None and incident.state != "resolved":
        nothing = "no job is late or will be" if incident.rule in LATENESS else "clear"
        return f"{nothing} since {at(incident.clear_since)}"
    words = _phrase(incident.rule, incident.facts, at)
    trouble = [signal for signal in signals.causes(incident.signals) if not _is_said(signal, incident.facts)]
    return "; ".join([words, *(_trouble(signal, at) for signal in trouble)])


def why(incident: Incident, zone: tzinfo) -> str | None:
    """Sentence about the cause of late jobs or held rows and its remedies; None if there is none."""
    live = incident.state != "resolved" and incident.clear_since is None
    if live and incident.rule == "held-horizon":
        return horizon_words.what_helps(incident.facts)
    cause = read(incident.facts.get("cause")) if live else None
    return None if cause is None else f"{advice.sentence(cause, clock(zone))}."


def clock(zone: tzinfo) -> Clock:
    """Format a moment as `10:42 CDT`."""

    def tell(moment: str | datetime) -> str:
        when = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
        return hour_and_zone(when, zone)

    return tell


def _phrase(rule: str, facts: Facts, at: Clock) -> str:
    say = _PHRASES.get(rule)
    return say(facts, at) if say else title(rule)


def _is_said(signal: Signal, facts: Facts) -> bool:
    """Whether the facts about lateness name this trouble themselves, as what stands in the way."""
    cause = read(facts.get("cause"))
    if cause is None:
        return False
    return cause.kind == signal.rule or (cause.kind == "host" and signal.subject in cause.hosts)


def _trouble(signal: Signal, at: Clock) -> str:
    """Trouble of workers and hosts inside the sentence about lateness, which has its numbers already."""
    match signal.rule:
        case "no-worker":
            return "no worker"
        case "stalled":
            return f"no step finished for {about(signal.facts['value'])}"
    place = f"{_name(signal.subject)}: " if signal.subject else ""
    return place + _phrase(signal.rule, signal.facts, at)


def _slow(facts: Facts, at: Clock) -> str:  # noqa: ARG001
    return f"jobs wait {about(facts['value'])} on average, SLA {minutes(facts['sla_minutes'])}"


def _stalled(facts: Facts, at: Clock) -> str:  # noqa: ARG001
    stuck = _count(facts["waiting"] + facts["queued"], "job waits", "jobs wait")
    return f"no step finished for {about(facts['value'])}, {stuck}"


def _redis(facts: Facts, at: Clock) -> str:
    return f"cannot hand out: Redis {facts['words']}, since {at(facts['since'])}"


def _dispatcher(facts: Facts, at: Clock) -> str:  # noqa: ARG001
    jobs = _count(facts["jobs"], "job waits", "jobs wait")
    return f"no dispatcher is at work, the last one was heard {about(facts['value'])} ago; {jobs}"


def _no_worker(facts: Facts, at: Clock) -> str:
    due = f", next due {at(facts['next_sla'])}" if facts["next_sla"] else ""
    return f"no worker for {_count(facts['jobs'], 'job', 'jobs')}{due}"


def _failing(facts: Facts, at: Clock) -> str:  # noqa: ARG001
    failed, steps = facts["failed"], facts["steps"]
    return f"{failed:,} of {steps:,} steps failed in 5 min ({share(failed, steps)})"


def _busy_host(facts: Facts, at: Clock) -> str:  # noqa: ARG001
    return f"CPU at {facts['cpu_percent']:.0f} % with {_count(facts['workers'], 'worker', 'workers')}"


def _outbox(facts: Facts, at: Clock) -> str:  # noqa: ARG001
    return f"{_count(facts['unsent'], 'text', 'texts')} not sent, oldest {about(facts['value'])}"


def _webhook(facts: Facts, at: Clock) -> str:  # noqa: ARG001
    lost = f"; {_count(facts['given_up'], 'event', 'events')} given up" if facts["given_up"] else ""
    if facts["gone"]:
        return f"the webhook {facts['webhook']} is paused: its receiver answered 410 Gone{lost}"
    if not facts["value"]:
        return f"the webhook {facts['webhook']} refuses single events{lost}"
    fault = f": {facts['fault']}" if facts["fault"] else ""
    return f"the webhook {facts['webhook']} has taken no event for {about(facts['value'])}{lost}{fault}"


def _held_horizon(facts: Facts, at: Clock) -> str:  # noqa: ARG001
    return f"{horizon_words.holder(facts)} has kept dead rows from being removed for {about(facts['value'])}"


def _behind(facts: Facts, at: Clock) -> str:
    if "events_at" in facts:
        return f"the watch has not heard the workers since {at(facts['events_at'])}"
    return f"the watch did not look for {about(facts['value'])}, from {at(facts['looked'])}"


_PHRASES: Mapping[str, Callable[[Facts, Clock], str]] = {
    "late": lateness_words.late,
    "slow": _slow,
    "forecast": lateness_words.will_be,
    "stalled": _stalled,
    "redis": _redis,
    "dispatcher": _dispatcher,
    "no-worker": _no_worker,
    "failing": _failing,
    "busy-host": _busy_host,
    "outbox": _outbox,
    "webhook": _webhook,
    "schedule": schedule_words.phrase,
    "held-horizon": _held_horizon,
    "behind": _behind,
}


def _was_late(over: Incident) -> str:
    # The list is written after the look that opened the incident, which may have been the only one.
    jobs = _count(max(over.late_jobs, over.facts["late_jobs"]), "job was", "jobs were")
    return f"{jobs} late, the worst by {about(over.worst)}"


def _was_behind(over: Incident) -> str:
    deaf = "events_at" in over.facts
    return f"the watch did not {'hear the workers' if deaf else 'look'} for {about(over.worst)}"


#: What is said of an incident that is over: its facts are those of the last look, `worst` is of all of them.
_WAS: Mapping[str, Callable[[Incident], str]] = {
    "late": _was_late,
    "slow": lambda over: (
        f"jobs waited {about(over.worst)} on average, SLA {minutes(over.facts['sla_minutes'])}"
    ),
    "forecast": lambda over: f"up to {_count(int(over.worst), 'job was', 'jobs were')} going to be late",
    "redis": lambda over: f"Redis took no writes for {about(over.worst)}: it {over.facts['words']}",
    "dispatcher": lambda over: f"no dispatcher was at work for {about(over.worst)}",
    "stalled": lambda over: f"no step finished for {about(over.worst)}",
    "no-worker": lambda over: f"no worker for {_count(int(over.worst), 'job', 'jobs')}",
    "failing": lambda over: f"up to {percent(over.worst / 100)} of the steps failed",
    "busy-host": lambda over: f"CPU was at up to {over.worst:.0f} %",
    "outbox": lambda over: f"texts were not sent for {about(over.worst)}",
    "schedule": lambda over: schedule_words.past(over.facts, over.worst),
    "webhook": lambda over: (
        f"the webhook {over.facts['webhook']} took no events for {about(over.worst)}"
        if over.worst
        else f"the webhook {over.facts['webhook']} refused single events"
    ),
    "held-horizon": lambda over: (
        f"{horizon_words.holder(over.facts)} kept dead rows from being removed for {about(over.worst)}"
    ),
    "behind": _was_behind,
}


def _heading(incident: Incident) -> str:
    return f"HMS #{incident.reference} {_place(incident)}"


def _how(incident: Incident, by_text: bool) -> str:
    """How to acknowledge an incident: where nobody reads replies, by a command."""
    ack = (
        f"Reply ACK {incident.reference}"
        if by_text
        else f"Acknowledge: hms incident ack {incident.reference}"
    )
    return f"{ack}."


def _place(incident: Incident) -> str:
    # The subject of a rule about the watch itself is said by its phrase.
    host = incident.subject if incident.rule == "busy-host" else None
    return _name(incident.queue or host)


def _name(place: str | None) -> str:
    return encodable(place, NAME) if place else "floor"


def _fitted(opening: str, middle: str, closing: str) -> str:
    room = ROOM - septets(opening) - septets(closing)
    words = encodable(middle, room)
    if words != encodable(middle, 10 * ONE_SEGMENT):
        words = words.rpartition(" ")[0].rstrip(" ,;:(") or words
        # A remedy of which only the first words are left is none.
        whole = max(words.rfind("; "), words.rfind(": "))
        words = words[:whole] if whole > 0 and words[whole:].count(" ") < FEW_WORDS else words
    return opening + words + closing


def _count(number: int, singular: str, many: str) -> str:
    return f"{number:,} {singular if number == 1 else many}"
