"""Request models of changes to many jobs: which jobs, and which change."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Body
from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from hms_floor.api.requests.requests import (
    EARLIEST,
    LATEST,
    MOST_IDS,
    JobId,
    JobType,
    Moment,
    Priority,
    QueueName,
    Reasoned,
    RequestModel,
    StatusWord,
    Text,
    Word,
    whole,
)
from hms_oms.api.filter import CONFIRM_ABOVE
from hms_oms.jobs.states import Status


def _something(schema: dict[str, Any]) -> None:
    # What is left out is not there, and null is no value for it.
    for property_ in schema["properties"].values():
        property_.pop("default", None)
    schema["minProperties"] = 1


class JobFilter(RequestModel):
    """Which jobs are meant; what is left out does not restrict, and something must be there."""

    model_config = ConfigDict(json_schema_extra=_something)

    queue: QueueName = ""
    status: Annotated[list[StatusWord], Field(default_factory=list, min_length=1, max_length=len(Status) + 1)]
    type: JobType = ""
    batch: Annotated[int, Field(ge=1, le=2**63 - 1), BeforeValidator(whole)] = 0
    payload: Annotated[dict[Word, Text], Field(default_factory=dict, min_length=1, max_length=10)]
    created_from: Annotated[Moment, Field(default_factory=lambda: EARLIEST)]
    created_to: Annotated[Moment, Field(default_factory=lambda: LATEST)]
    given_up: Annotated[Literal[True], Field(default_factory=lambda: True)]
    at_risk: Annotated[Literal[True], Field(default_factory=lambda: True)]
    held: Annotated[Literal[True], Field(default_factory=lambda: True)]
    late: Annotated[Literal[True], Field(default_factory=lambda: True)]

    @model_validator(mode="after")
    def _restricts(self) -> JobFilter:
        if not self.model_fields_set:
            raise ValueError("an empty filter would mean every job: restrict it")
        return self


def _ids_or_filter(schema: dict[str, Any]) -> None:
    for name in ("ids", "filter"):
        schema["properties"][name].pop("default", None)
    schema["oneOf"] = [{"required": ["ids"]}, {"required": ["filter"]}]


class Bulk(Reasoned):
    """One change to many jobs, named by `ids` or meant by `filter`; `dryRun` only counts."""

    model_config = ConfigDict(json_schema_extra=_ids_or_filter)

    ids: Annotated[list[JobId], Field(default_factory=list, min_length=1, max_length=MOST_IDS)]
    filter: JobFilter = JobFilter.model_construct()
    dry_run: bool = False
    forecast: Annotated[
        bool, Field(description="Whether a dry run tells the effects on other jobs, which takes longer.")
    ] = True
    count: Annotated[
        Annotated[int, Field(ge=0, le=2**31 - 1), BeforeValidator(whole)] | None,
        Field(
            description="How many jobs are expected to change, as a dry run tells it."
            f" Above {CONFIRM_ABOVE} it must be given, with a reason."
        ),
    ] = None

    @model_validator(mode="after")
    def _says_which(self) -> Bulk:
        if len(self.model_fields_set & {"ids", "filter"}) != 1:
            raise ValueError("give either ids or a filter")
        return self


class BulkCancel(Bulk):
    """Cancel jobs; with `now` steps that run are ended, too."""

    action: Literal["cancel"]
    now: bool = False


class BulkRetry(Bulk):
    """Have failed jobs tried again."""

    action: Literal["retry"]


class BulkReinstate(Bulk):
    """Have cancelled jobs done after all."""

    action: Literal["reinstate"]


class BulkPromote(Bulk):
    """Make jobs the next ones of their queue; the first that is named becomes the very next."""

    action: Literal["promote"]


class BulkMove(Bulk):
    """Move jobs to another queue."""

    action: Literal["move"]
    queue: QueueName


class BulkPrioritize(Bulk):
    """Set the priority of jobs."""

    action: Literal["priority"]
    priority: Priority


class BulkDelay(Bulk):
    """Start jobs no earlier than a time; null takes a delay away."""

    action: Literal["delay"]
    not_before: Moment | None


AnyBulk = Annotated[
    BulkCancel | BulkRetry | BulkReinstate | BulkPromote | BulkMove | BulkPrioritize | BulkDelay,
    Body(discriminator="action"),
]
