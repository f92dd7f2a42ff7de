"""On call: who is texted about an incident, in which order; the writer of ops.oncall.

A document names recipients with their phones or channels, steps of escalation, and weekly shifts. Shifts
follow the clock on the wall, in the document's time zone if it names one, else in the office's: on a day
whose clocks go forward or back a shift is shorter or longer, and no moment between two shifts that meet is
left out. The newest document is in force. `docs/on-call.toml` is an example.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers
from jsonschema import Draft202012Validator
from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import bindparam

from hms_oms.messages.recipients import CHANNEL_NAME, of_channel
from hms_oms.recipes import payload_schema
from hms_oms.recipes.sla_bounds import MOST_MINUTES
from hms_oms.runtime import clock
from hms_oms.runtime.errors import RequestRejected

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: What a step says in place of a name: anyone who has this shift.
SHIFT = "shift:"

Document = Mapping[str, Any]

#: Called while nobody has set a document: a number of the range kept for fiction, for the local log alone.
DEFAULT: Document = {
    "timezone": "UTC",
    "recipients": {"on-call": "+12025550100"},
    "shifts": [],
    "steps": [{"after_minutes": 0, "notify": ["on-call"]}],
}


class DocumentRejected(RequestRejected):
    """An on-call document cannot be used; `faults` maps each field to a reason."""


@dataclass(frozen=True, slots=True)
class OnCall:
    """An on-call document, and who set it when and why."""

    id: int
    document: Document
    set_by: str
    reason: str | None
    set_at: datetime


@dataclass(frozen=True, slots=True)
class Recipient:
    """A person or a team that is called; `phone` is in E.164, or a channel as in `channel:ops-slack`."""

    name: str
    phone: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the escalation policy: `after` the call began, these people are texted."""

    after: timedelta
    recipients: tuple[Recipient, ...]


def parse(source: str) -> Document:
    """The document in a TOML text, validated. Raises DocumentRejected."""
    try:
        return validated(tomllib.loads(source))
    except tomllib.TOMLDecodeError as error:
        raise DocumentRejected([("document", f"is not TOML: {error}")]) from None


def validated(document: Document, office: str = "UTC") -> Document:
    """The document as it is kept: phones in E.164, every part there. Raises DocumentRejected.

    Without a time zone it is in the office's.
    """
    faults = [
        (_field(error.absolute_path), error.message)
        for error in Draft202012Validator(_SCHEMA).iter_errors(document)
    ]
    faults = faults or list(_contradictions(document))
    if faults:
        raise DocumentRejected(sorted(faults))
    phones = {name: _kept(entry) for name, entry in document["recipients"].items()}
    kept = {"timezone": office, **document}
    return {**kept, "shifts": document.get("shifts", []), "recipients": phones}


def set_document(
    connection: Connection, document: Document, set_by: str, reason: str | None, office: str = "UTC"
) -> OnCall:
    """Put a document in force. Raises DocumentRejected."""
    row = connection.execute(
        text(
            "insert into ops.oncall (document, set_by, reason) values (:document, :set_by, :reason)"
            " returning id, document, set_by, reason, set_at"
        ).bindparams(bindparam("document", type_=JSONB)),
        {"document": validated(document, office), "set_by": set_by, "reason": reason},
    )
    return OnCall(**row.mappings().one())


def in_force(connection: Connection) -> OnCall | None:
    """The newest document, if there is one."""
    row = connection.execute(
        text("select id, document, set_by, reason, set_at from ops.oncall order by id desc limit 1")
    )
    version = row.mappings().one_or_none()
    return OnCall(**version) if version else None


def on_call(document: Document, now: datetime) -> list[Step]:
    """The escalation policy at `now`: who is on each step, nobody twice on one."""
    return [
        Step(timedelta(minutes=step["after_minutes"]), _recipients(document, step["notify"], now))
        for step in document["steps"]
    ]


def zone(document: Document) -> ZoneInfo:
    """The time zone that shifts are in."""
    return clock.zone(document["timezone"])


def phone_of(entry: str | Mapping[str, str]) -> str:
    """The recipient of texts that an entry of a document names: a phone, or `channel:` and a name."""
    return entry if isinstance(entry, str) else of_channel(entry["channel"])


def on_shift(document: Document, name: str, now: datetime) -> list[str]:
    """The recipients who have the shift `name` at `now`, by the clock on the wall."""
    here = now.astimezone(zone(document))
    return [
        shift["recipient"]
        for shift in document["shifts"]
        if shift["name"] == name and _covers(shift, here.weekday(), here.time())
    ]


def _covers(shift: Mapping[str, Any], weekday: int, hour: time) -> bool:
    begins, ends = time.fromisoformat(shift["from"]), time.fromisoformat(shift["until"])
    days = {DAYS.index(day) for day in shift["days"]}
    if begins < ends:
        return weekday in days and begins <= hour < ends
    # It crosses midnight: its second part belongs to the day on which it began.
    return (weekday in days and hour >= begins) or ((weekday - 1) % 7 in days and hour < ends)


def _recipients(document: Document, notify: Sequence[str], now: datetime) -> tuple[Recipient, ...]:
    names = [
        name
        for entry in notify
        for name in (
            on_shift(document, entry.removeprefix(SHIFT), now) if entry.startswith(SHIFT) else [entry]
        )
    ]
    phones = {name: phone_of(document["recipients"][name]) for name in names}
    by_phone = {phones[name]: name for name in reversed(names)}
    return tuple(
        Recipient(name, phones[name]) for name in dict.fromkeys(names) if by_phone[phones[name]] == name
    )


def _contradictions(document: Document) -> Iterator[tuple[str, str]]:
    """Contradictions in a document that meets the schema."""
    for path in payload_schema.not_finite(document):
        yield path, "not a finite number"
    try:
        clock.zone(document.get("timezone", "UTC"))
    except ValueError as error:
        yield "timezone", str(error)
    recipients = document["recipients"]
    for name, entry in recipients.items():
        if name.startswith(SHIFT):
            yield f"recipients.{name}", f"a name may not begin with {SHIFT!r}"
        if not isinstance(entry, str):
            if not re.fullmatch(CHANNEL_NAME, entry["channel"]):
                why = "is no name of a channel: small letters, digits and '-', as ops-slack"
                yield f"recipients.{name}.channel", f"{entry['channel']!r} {why}"
        elif _e164(entry) is None:
            yield (
                f"recipients.{name}",
                f"{entry!r} is not a phone number with its country, as +1 202 555 0143 is",
            )
    shifts = document.get("shifts", [])
    for place, shift in enumerate(shifts):
        if shift["recipient"] not in recipients:
            yield f"shifts.{place}.recipient", _unknown(shift["recipient"], recipients)
    known = {*recipients, *(SHIFT + shift["name"] for shift in shifts)}
    before = -1.0
    for place, step in enumerate(document["steps"]):
        if step["after_minutes"] <= before:
            yield f"steps.{place}.after_minutes", "each step comes later than the one before it"
        before = step["after_minutes"]
        for entry in step["notify"]:
            if entry not in known:
                yield f"steps.{place}.notify", _unknown(entry, known)


def _unknown(name: str, known: Sequence[str] | Mapping[str, Any] | set[str]) -> str:
    return f"there is no {name!r}; known are {', '.join(sorted(known))}"


def _kept(entry: str | Mapping[str, str]) -> str | Mapping[str, str] | None:
    """A recipient as it is kept."""
    return _e164(entry) if isinstance(entry, str) else entry


def _e164(phone: str) -> str | None:
    try:
        number = phonenumbers.parse(phone, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _field(path: Any) -> str:
    return ".".join(str(part) for part in path) or "document"


_NAME = {"type": "string", "minLength": 1, "maxLength": 60}
_CLOCK = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
_SCHEMA = {
    "type": "object",
    "required": ["recipients", "steps"],
    "additionalProperties": False,
    "properties": {
        "timezone": {"type": "string"},
        "recipients": {
            "type": "object",
            "minProperties": 1,
            "propertyNames": _NAME,
            "additionalProperties": {
                "type": ["string", "object"],
                "required": ["channel"],
                "additionalProperties": False,
                "properties": {"channel": {"type": "string"}},
            },
        },
        "shifts": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "days", "from", "until", "recipient"],
                "additionalProperties": False,
                "properties": {
                    "name": _NAME,
                    "days": {"type": "array", "minItems": 1, "items": {"enum": list(DAYS)}},
                    "from": _CLOCK,
                    "until": _CLOCK,
                    "recipient": {"type": "string"},
                },
            },
        },
        "steps": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["after_minutes", "notify"],
                "additionalProperties": False,
                "properties": {
                    "after_minutes": {"type": "number", "minimum": 0, "maximum": MOST_MINUTES},
                    "notify": {"type": "array", "minItems": 1, "items": {"type": "string"}},
                },
            },
        },
    },
}
