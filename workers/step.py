"""The `@step` decorator, and the run that a step function gets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from hms_oms.database.connections import RawConnection
from hms_oms.database.plain_text import plain
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.records import Claimed, StepText

StepResult = Done | Mapping[str, Any] | None
StepFunction = Callable[["StepRun"], StepResult | Awaitable[StepResult]]

#: Every step function by the name of its Celery task.
registered: dict[str, StepFunction] = {}


def step(task: str) -> Callable[[StepFunction], StepFunction]:
    """Register a function as the step that a recipe calls `run = "{task}"`.

    The function, plain or `async def`, gets a StepRun. It returns a mapping (or None) as its result, or a
    Done; it raises Retry, Reject, or any other exception when it fails. In a result may be what JSON knows,
    and dates, times, decimals and UUIDs, which are kept as text. Raises ValueError if the name is taken.
    """

    def register(function: StepFunction) -> StepFunction:
        if registered.setdefault(task, function) is not function:
            raise ValueError(f"two functions are marked @step({task!r})")
        return function

    return register


class StepRun:
    """One run of one step.

    `payload` is the request, `results` what the finished steps returned, by step name; `now` is the
    database's clock when the step was claimed (UTC), `office` the time zone whose days the office has.
    """

    def __init__(self, claimed: Claimed, effects: Callable[[], RawConnection], office: tzinfo = UTC) -> None:
        self._claimed = claimed
        self.office = office
        self._effects = effects
        self._connection: RawConnection | None = None
        self._texts: list[StepText] = []

    @property
    def job(self) -> int:
        """The number of the job."""
        return self._claimed.job

    @property
    def token(self) -> str:
        """The same for every run of this step of this job: an idempotency token for the outside."""
        return f"job-{self._claimed.job}.{self._claimed.step + 1}"

    @property
    def payload(self) -> Mapping[str, Any]:
        """The request, as accepted."""
        return self._claimed.payload

    @property
    def results(self) -> Mapping[str, Any]:
        """The results of the steps before this one, by step name."""
        return self._claimed.results

    @property
    def now(self) -> datetime:
        """The database's clock when the step was claimed."""
        return self._claimed.now

    @property
    def connection(self) -> RawConnection:
        """A connection whose transaction commits together with the completion of this step.

        What is written here happens exactly once, whatever dies. The step must neither commit nor roll back.
        """
        if self._connection is None:
            self._connection = self._effects()
        return self._connection

    @property
    def has_effects(self) -> bool:
        """Whether the step has asked for its connection."""
        return self._connection is not None

    @property
    def texts(self) -> tuple[StepText, ...]:
        """What is to be sent when the step is complete."""
        return tuple(self._texts)

    def forget_effects(self) -> None:
        """Have the step reported without effects, after they were undone."""
        self._connection = None
        self._texts.clear()

    def text(self, phone: str, body: str) -> None:
        """Have a text sent, once, when and only when this step is complete.

        Raises ValueError for characters that cannot be kept.
        """
        if plain(phone) != phone or plain(body) != body:
            raise ValueError("the text holds characters that the ledger cannot keep")
        self._texts.append(StepText(f"{self.token}.{len(self._texts) + 1}", phone, body))
