"""Request models of agents: reserve a job, extend the lease, report the end of the step."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import Body
from pydantic import Field, StringConstraints

from hms_floor.api.requests.requests import LINE_OR_MORE, RequestModel, StepName

Lease = Annotated[float, Field(ge=10, le=3600, description="Seconds that the reservation holds.")]


class Reserve(RequestModel):
    """How long to wait for a job, and how long to have it, both in seconds."""

    wait: Annotated[float, Field(ge=0, le=30)] = 0.0
    lease: Lease = 300.0


class Extend(RequestModel):
    """How long to keep a reservation from now on, in seconds."""

    lease: Lease = 300.0


class StepDone(RequestModel):
    """An agent's step is done, with a result; `skipTo` names the next step to run."""

    status: Literal["done"]
    result: Any = None
    outcome: Annotated[str, StringConstraints(max_length=200, pattern=LINE_OR_MORE)] | None = None
    skip_to: StepName | None = None


class StepFailed(RequestModel):
    """An agent's step has failed, for good."""

    status: Literal["failed"]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=4000, pattern=LINE_OR_MORE)]


class StepAgain(RequestModel):
    """An agent's step is to be tried again, after so many seconds."""

    status: Literal["retry"]
    reason: Annotated[str, StringConstraints(min_length=1, max_length=4000, pattern=LINE_OR_MORE)]
    retry_after: Annotated[float, Field(ge=0, le=30 * 86400)] = 0.0


AnyReport = Annotated[StepDone | StepFailed | StepAgain, Body(discriminator="status")]
