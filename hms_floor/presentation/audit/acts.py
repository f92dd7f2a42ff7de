"""What somebody did, in words: `limited farm-grant to 40 a minute` instead of a route."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

#: Tells a moment by the reader's clock.
Tell = Callable[[datetime], str]
#: What is left of a detail once the sentence has told the rest.
Left = dict[str, Any]

#: Each action as it was done and as it was tried; behind the verb what it was done to.
ACTS: Mapping[str, str] = {
    "POST /jobs": "started|start {subject}",
    "POST /jobs/bulk": "{bulk}",
    "POST /jobs/{id}/cancel": "cancelled|cancel {subject}",
    "POST /jobs/{id}/retry": "retried|retry {subject}",
    "POST /jobs/{id}/reinstate": "reinstated|reinstate {subject}",
    "POST /jobs/{id}/promote": "promoted|promote {subject}",
    "POST /jobs/{id}/move": "moved|move {subject}{to_queue}",
    "POST /jobs/{id}/priority": "set|set the priority of {subject}{to_priority}",
    "POST /jobs/{id}/delay": "delayed|delay {subject}{until}",
    "POST /jobs/{id}/signal": "sent|send {event}{subject}",
    "POST /jobs/{id}/hold": "held|hold {subject} until the applicant answers",
    "POST /jobs/{id}/answer": "let|let {subject} go on after an answer{to_deadline}",
    "POST /changes/{id}/undo": "undid|undo {change}",
    "POST /cycles": "started|start {subject}{of_jobs}",
    "POST /cycles/uploads/{upload}/start": "started|start {subject}{of_jobs}",
    "POST /queues/{queue}/pause": "paused|pause {subject}",
    "POST /queues/{queue}/resume": "resumed|resume {subject}",
    "POST /queues/{queue}/limit": "{limited} {subject}{to_limits}",
    "POST /queues/{queue}/policy": "put|put {subject} in order {to_policy}",
    "PUT /queues/{queue}/calendar": "{calendar} {subject}{to_calendar}",
    "PUT /queues/{queue}/sla": "set|set the SLA of {subject}{to_minutes}",
    "POST /queues/{queue}/reserve": "reserved|reserve {subject}",
    "POST /reservations/{id}/extend": "extended|extend the reservation {subject}",
    "POST /reservations/{id}/report": "reported|report {reported}{subject}",
    "POST /incidents/{id}/comments": "commented|comment on {subject}",
    "POST /incidents/{id}/ack": "acknowledged|acknowledge {subject}",
    "POST /incidents/{id}/resolve": "resolved|resolve {subject}",
    "POST /silences": "silenced|silence {silenced}",
    "POST /silences/{id}/end": "ended|end {subject}",
    "PUT /oncall": "changed|change who is on call",
    "POST /oncall/feed": "made|make an address for the calendar of shifts",
    "POST /oncall/feed/revoke": "revoked|revoke the address of the calendar of shifts",
    "PUT /thresholds/{rule}/{parameter}": "set|set {subject}{to_value}",
    "POST /texts": "sent|send a text{to_phone}",
    "POST /test-pages": "sent|send a test page{to_phone}",
    "POST /twilio/reply": "replied|reply by text",
    "POST /webhooks": "added|add the webhook {subject}",
    "POST /webhooks/{name}/pause": "paused|pause the webhook {subject}",
    "POST /webhooks/{name}/resume": "resumed|resume the webhook {subject}",
    "POST /webhooks/{name}/remove": "removed|remove the webhook {subject}",
    "POST /webhooks/{name}/test": "tested|test the webhook {subject}",
    "POST /webhooks/{name}/deliveries/{id}/resend": "sent|send an event again to the webhook {subject}",
    "POST /schedules": "added|add the schedule {subject}",
    "POST /schedules/{schedule}/run": "ran|run the schedule {subject}",
    "POST /schedules/{schedule}/skip": "skipped|skip a run of the schedule {subject}",
    "POST /schedules/{schedule}/pause": "paused|pause the schedule {subject}",
    "POST /schedules/{schedule}/resume": "resumed|resume the schedule {subject}",
    "POST /schedules/{schedule}/remove": "removed|remove the schedule {subject}",
    "POST /badges": "issued|issue a badge{to_actor}",
    "POST /badges/{jti}/revoke": "revoked|revoke the badge {subject}",
    "hms badge issue": "issued|issue a badge{to_actor}",
    "hms badge revoke": "revoked|revoke the badge {subject}",
    "hms db prune": "removed|remove what was over its time",
    "hms db hold add": "put|put {held} on hold",
    "hms db hold remove": "took|take {held} off hold",
    "GET /enter": "signed|sign in by a one-time link",
    "GET /signed-in": "signed|sign in at {provider}",
}
_BULK = {
    "cancel": "cancelled|cancel",
    "retry": "retried|retry",
    "reinstate": "reinstated|reinstate",
    "promote": "promoted|promote",
    "move": "moved|move",
    "priority": "changed|change the priority of",
    "delay": "delayed|delay",
}
_ALTERNATIVES = re.compile(r"(\w+)\|(\w+)")
_PLACE = re.compile(r"\{(\w+)\}")


class Said(NamedTuple):
    """A line of the audit trail as a sentence without its subject, and what of the detail is not in it."""

    words: str
    left: Mapping[str, Any]


def said(
    action: str, subject: str | None, detail: Mapping[str, Any] | None, tell: Tell, *, done: bool
) -> Said:
    """Say what was done, or what was tried and refused; an action that is not known is shown as it is."""
    left: Left = dict(detail or {})
    sentence = ACTS.get(action)
    if sentence is None:
        return Said(" ".join(filter(None, (action, subject))), left)
    words = _PLACE.sub(lambda place: _part(place[1], subject, left, tell), sentence)
    verb = _ALTERNATIVES.sub(lambda forms: forms[1 if done else 2], words)
    return Said(" ".join((verb if done else f"tried to {verb}").split()), left)


def _part(name: str, subject: str | None, left: Left, tell: Tell) -> str:
    if name == "subject":
        return subject or ""
    return _PARTS[name](left, tell)


def _bulk(left: Left, _: Tell) -> str:
    jobs = left.pop("jobs", None)
    verb = _BULK.get(left.pop("action", ""), "changed|change")
    return f"{verb} jobs" if jobs is None else f"{verb} {jobs:,} {'job' if jobs == 1 else 'jobs'}"


def _change(left: Left, _: Tell) -> str:
    what, who = left.pop("action", "change"), left.pop("by", None)
    return f"the {what} of {who}" if who else f"a {what}"


def _limited(left: Left, _: Tell) -> str:
    limits = ("startsPerMinute", "atOnce", "window")
    is_lifted = "startsPerMinute" in left and all(left.get(limit) is None for limit in limits)
    return "lifted|lift the limits of" if is_lifted else "limited|limit"


def _to_limits(left: Left, _: Tell) -> str:
    starts, window = left.pop("startsPerMinute", None), left.pop("window", None)
    at_once = left.pop("atOnce", None)
    limits = [f"{starts:,} a minute"] if starts is not None else []
    limits += [f"{at_once:,} at once"] if at_once is not None else []
    limits += [f"a window of {window:,} jobs"] if window is not None else []
    return f" to {', '.join(limits[:-1])}{' and ' * (len(limits) > 1)}{limits[-1]}" if limits else ""


def _to_minutes(left: Left, _: Tell) -> str:
    minutes, before = left.pop("minutes", None), left.pop("before", None)
    if minutes is None:
        return ""
    return f" to {minutes:g} min" + (f" (it was {before:g} min)" if before is not None else "")


def _to_policy(left: Left, _: Tell) -> str:
    policy, before = left.pop("policy", None), left.pop("before", None)
    if policy is None:
        return ""
    return f"by the policy {policy}" + (f" (it was {before})" if before is not None else "")


def _calendar(left: Left, _: Tell) -> str:
    is_taken = "calendar" in left and left["calendar"] is None
    return "took|take the calendar from" if is_taken else "set|set the calendar of"


def _to_calendar(left: Left, _: Tell) -> str:
    calendar, before = left.pop("calendar", None), left.pop("before", None)
    to = f" to {calendar}" if calendar else ""
    return to + (f"; it was {before}" if before else "")


def _of_jobs(left: Left, _: Tell) -> str:
    accepted = left.pop("accepted", None)
    return "" if accepted is None else f" with {accepted:,} {'job' if accepted == 1 else 'jobs'}"


def _silenced(left: Left, tell: Tell) -> str:
    rule, queue, end = left.pop("rule", None), left.pop("queue", None), left.pop("endsAt", None)
    what = f"the rule {rule}" if rule else "all rules"
    where = f" for {queue}" if queue else ""
    return f"{what}{where}" + (f" until {_moment(end, tell)}" if end else "")


def _to_value(left: Left, _: Tell) -> str:
    value, queue = left.pop("value", None), left.pop("queue", None)
    where = f" for {queue}" if queue else ""
    return f"{where} back to its default" if value is None else f"{where} to {value:g}"


def _until(left: Left, tell: Tell) -> str:
    moment = left.pop("notBefore", None)
    return f" until {_moment(moment, tell)}" if moment else ""


def _to_deadline(left: Left, tell: Tell) -> str:
    moment = left.pop("deadline", None)
    return f", due {_moment(moment, tell)}" if moment else ""


def _to_actor(left: Left, _: Tell) -> str:
    actor, roles = left.pop("actor", None), left.pop("roles", None)
    given: Sequence[str] = roles if isinstance(roles, list | tuple) else ()
    return (f" to {actor}" if actor else "") + (f" as {', '.join(given)}" if given else "")


def _behind(field: str, before: str, after: str = "") -> Callable[[Left, Tell], str]:
    """A part that is the value of a field between some words, and nothing without it."""

    def part(left: Left, _: Tell) -> str:
        value = left.pop(field, None)
        return "" if value is None else f"{before}{value}{after}"

    return part


def _moment(text: str, tell: Tell) -> str:
    return tell(datetime.fromisoformat(text))


_PARTS: Mapping[str, Callable[[Left, Tell], str]] = {
    "bulk": _bulk,
    "change": _change,
    "limited": _limited,
    "to_limits": _to_limits,
    "to_minutes": _to_minutes,
    "of_jobs": _of_jobs,
    "silenced": _silenced,
    "to_value": _to_value,
    "until": _until,
    "to_actor": _to_actor,
    "to_deadline": _to_deadline,
    "to_queue": _behind("queue", " to "),
    "to_priority": _behind("priority", " to "),
    "to_phone": _behind("to", " to "),
    "provider": _behind("issuer", ""),
    "reported": _behind("reported", "", " for "),
    "held": _behind("target", ""),
    "to_policy": _to_policy,
    "calendar": _calendar,
    "to_calendar": _to_calendar,
    "event": _behind("event", "the event ", " to "),
}
