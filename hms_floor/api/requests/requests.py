"""Request models: camelCase, unknown fields rejected, no type coercion."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

import phonenumbers
from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from starlette.convertors import StringConvertor, register_url_convertor

from hms_floor.auth.tokens import ANY_QUEUE, MOST_HOURS
from hms_oms.jobs.commands import HIGHEST_PRIORITY
from hms_oms.recipes.sla_bounds import LEAST_MINUTES, MOST_MINUTES

#: So many jobs may be named one by one.
MOST_IDS = 10_000
#: The longest page.
MOST_ROWS = 500
#: The largest number of the ledger's.
MOST = 2**31 - 1
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:[Zz]|[+-]\d{2}:\d{2})")
#: PostgreSQL and Python both know these years, in whatever zone.
EARLIEST, LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def moment(written: object) -> datetime:
    """Read an RFC 3339 time; one before 1900 or after 2200 is as good as these. Raises ValueError."""
    if not isinstance(written, str) or not _TIME.fullmatch(written):
        raise ValueError("must be an RFC 3339 time with its zone, as in 2026-11-23T08:00:00Z")
    year = int(written[:4])
    # A second may be the sixtieth, and have more digits than are kept.
    text = re.sub(r"(\.\d{6})\d+", r"\1", written.upper().replace("Z", "+00:00"))
    text = re.sub(r"^(.{17})60", r"\g<1>59", text)
    try:
        parsed = datetime.fromisoformat(text if year else f"0001{text[4:]}")
    except ValueError:
        raise ValueError("is no day and hour that exist") from None
    if year < EARLIEST.year:
        return EARLIEST
    return LATEST if year >= LATEST.year else parsed.astimezone(UTC)


def day_or_moment(written: object) -> date | datetime:
    """Read a day as 2026-11-23, or an RFC 3339 time. Raises ValueError."""
    if isinstance(written, str) and re.fullmatch(r"\d{4}-\d{2}-\d{2}", written):
        try:
            day = date.fromisoformat(written)
        except ValueError:
            raise ValueError("is no day that exists") from None
        return min(max(day, EARLIEST.date()), LATEST.date())
    return moment(written)


def _diallable(phone: str) -> str:
    try:
        if phonenumbers.is_valid_number(phonenumbers.parse(phone)):
            return phone
    except phonenumbers.NumberParseException:
        pass
    raise ValueError("is no number that its country has")


def whole(value: object) -> object:
    """A whole number, however it is written: 3.0 is 3."""
    # JSON has one kind of number: 3.0 is a whole one.
    return int(value) if isinstance(value, float) and value.is_integer() else value


Moment = Annotated[
    datetime,
    PlainValidator(moment),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-23T08:00:00Z"]}),
]
#: What steers a terminal, or turns the direction of what stands beside it.
_STEERS = r"\x7f-\x9f\u202a-\u202e\u2066-\u2069"
_LINE = rf"^[^\x00-\x1f{_STEERS}]*$"
_TYPED = rf"^[^\x00-\x08\x0b\x0c\x0e-\x1f{_STEERS}]*$"
LINE_OR_MORE = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
Text = Annotated[str, StringConstraints(max_length=500, pattern=_TYPED)]
Reason = Annotated[
    Text | None, Field(description="Why, for the timeline and the audit trail.", examples=["county fair"])
]
StepName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
QueueName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
JobType = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_:-]{0,200}$")]
JobId = Annotated[str, StringConstraints(pattern=r"^(job-)?[1-9][0-9]{0,17}$")]
Minutes = Annotated[float, Field(ge=LEAST_MINUTES, le=MOST_MINUTES, allow_inf_nan=False, examples=[10])]
Priority = Annotated[int, Field(ge=-HIGHEST_PRIORITY, le=HIGHEST_PRIORITY), BeforeValidator(whole)]
StatusWord = Literal["waiting", "queued", "running", "done", "failed", "cancelled", "open"]
RoleWord = Literal["viewer", "operator", "manager", "oncall", "agent", "admin"]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_LINE)]

RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z-]{0,60}$")]
Phone = Annotated[
    str,
    StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$"),
    AfterValidator(_diallable),
    Field(description="A number that can be dialled, in E.164.", examples=["+12025550143"]),
]
IncidentRef = Annotated[str, StringConstraints(pattern=r"^#?([1-9][0-9]{0,17}|[A-Za-z][A-Za-z0-9]{0,9})$")]
IncidentState = Literal["pending", "open", "acknowledged", "resolved"]
DayOrMoment = Annotated[
    date | datetime,
    PlainValidator(day_or_moment),
    WithJsonSchema(
        {"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}], "examples": ["2026-11-23"]}
    ),
]
WebhookName = Annotated[
    str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$"), Field(examples=["billing"])
]
EventWord = Literal["job.done", "job.failed", "job.cancelled", "job.late", "cycle.ended", "cycle.late"]
DeliveryState = Literal["pending", "sending", "delivered", "failed", "dropped"]

JobPath = Annotated[JobId, Path(alias="id", description="As job-219 or 219.", examples=["job-219"])]
QueuePath = Annotated[QueueName, Path(alias="queue", examples=["farm-grant"])]
Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="The length of a page.")]
Forecast = Annotated[bool, Query(description="Tell when open jobs will end, too, as was foreseen lately.")]
Cursor = Annotated[
    int | None,
    Query(ge=1, le=2**63 - 1, description="Go on behind this one: `next` of the page before."),
]


class _JobConvertor(StringConvertor):
    """Job ids in paths; any other text is a different path."""

    regex = "(?:job-)?[1-9][0-9]{0,17}"


class _CycleConvertor(StringConvertor):
    """What stands for a cycle's number in paths; an address of its own beside it is none."""

    regex = "(?!preview$)[^/]+"


register_url_convertor("job", _JobConvertor())
register_url_convertor("cycle", _CycleConvertor())


class RequestModel(BaseModel):
    """The base of all request bodies: no type is coerced, and no unknown field is taken."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Start(RequestModel):
    """A job to start."""

    job_type: JobType
    payload: dict[str, Any]
    sla_minutes: Annotated[Minutes | None, Field(description="Instead of the queue's SLA.")] = None
    key: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_LINE)] | None,
        Field(description="Asking again with the same key gives the same job."),
    ] = None
    priority: Annotated[Priority, Field(description="The higher goes first.")] = 0
    not_before: Annotated[Moment | None, Field(description="The earliest start.")] = None
    supersede: Annotated[
        bool, Field(description="Replace the job that has the key, if it has other content and not begun.")
    ] = False
    must: Annotated[
        bool | None, Field(description="Whether it is never given up for others; else the recipe says so.")
    ] = None


class Reasoned(RequestModel):
    """A change, and why."""

    reason: Reason = None


SearchText = Annotated[
    str,
    Query(
        min_length=1,
        max_length=200,
        description="Only those that have all these words in the fields that their recipes show, or in their"
        " key. Parts of words do, and case and accents do not matter.",
    ),
]
JobOrder = Literal["newest", "deadline", "lateness"]
LateOrder = Literal["deadline", "late", "key", "name", "status"]


class Comment(RequestModel):
    """What somebody has to say about an incident."""

    text: Text


class Cancel(Reasoned):
    """A cancellation; with `now` a step that runs is ended, too."""

    now: bool = False


class Move(Reasoned):
    """Another queue."""

    queue: QueueName


class Prioritize(Reasoned):
    """Another priority."""

    priority: Priority


class Delay(Reasoned):
    """The earliest start; null takes a delay away."""

    not_before: Moment | None


class Signal(Reasoned):
    """An event that has come, with what is to be known of it."""

    event: Annotated[StepName, Field(examples=["approved"])]
    data: Annotated[
        dict[str, Any] | None, Field(description="The result of the step that waits for the event.")
    ] = None


class Silence(RequestModel):
    """A time in which new incidents of a rule, in a queue, call nobody; without either: of any."""

    rule: RuleName | None = None
    queue: QueueName | None = None
    starts_at: Moment | None = None
    ends_at: Moment
    reason: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=_TYPED)]


class SetThreshold(Reasoned):
    """A value for a parameter of a rule; null goes back to the default."""

    # In seconds it is within the years that there are.
    value: Annotated[float, Field(ge=0, le=1e9)] | None
    queue: QueueName | None = None


class SetOnCall(Reasoned):
    """Another on-call document."""

    document: dict[str, Any]


class SendText(Reasoned):
    """A text to a phone."""

    to: Phone
    key: Annotated[Word | None, Field(description="Asking again with the same key is the same text.")] = None
    text: Annotated[str, StringConstraints(min_length=1, max_length=480, pattern=LINE_OR_MORE)]


class IssueBadge(Reasoned):
    """A badge to issue."""

    actor: Annotated[Word, Field(examples=["manager@example.gov"])]
    roles: Annotated[list[RoleWord], Field(min_length=1, max_length=len(RoleWord.__args__))]
    queues: Annotated[
        list[QueueName | Literal["*"]],
        Field(max_length=100, description=f"Where an agent may work; {ANY_QUEUE} is everywhere."),
    ] = []
    hours: Annotated[float, Field(gt=0, le=MOST_HOURS)] = 8.0


class AddWebhook(Reasoned):
    """An address that is to hear of events, of a queue or job type only if one is given."""

    name: WebhookName
    url: Annotated[str, StringConstraints(max_length=2000), Field(examples=["https://example.org/hooks/hms"])]
    events: Annotated[list[EventWord], Field(min_length=1, max_length=len(EventWord.__args__))]
    queue: QueueName | None = None
    type: JobType | None = None
