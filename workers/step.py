"""The `@step` decorator, and the run that a step function gets."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import UTC, datetime, tzinfo
from typing import Any

from hms_oms.database.connections import RawConnection
from hms_oms.database.plain_text import plain
from hms_oms.jobs.live.running import StepProgress
from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.parts import child_jobs
from hms_oms.jobs.records import Claimed, StepText
from hms_oms.recipes import payload_schema, recipes
from hms_oms.recipes.recipes import Recipe, Recipes
from hms_oms.recipes.steps.parts import Part
from hms_oms.runtime.errors import RequestRejected
from workers import limits
from workers.telemetry import log_context
from workers.telemetry.live_reports import EVERY_SECONDS, Live

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


class StepLog(logging.LoggerAdapter[logging.Logger]):
    """A logger that names the step in each line."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Add the step to what a line has besides."""
        return msg, {**kwargs, "extra": {**(kwargs.get("extra") or {}), **(self.extra or {})}}


class StepRun:
    """One run of one step.

    `payload` is the request, `results` what the finished steps returned, by step name; `now` is the
    database's clock when the step was claimed (UTC), `office` the time zone whose days the office has.
    """

    def __init__(
        self,
        claimed: Claimed,
        effects: Callable[[], RawConnection],
        office: tzinfo = UTC,
        live: Live | None = None,
        recipe: Recipe | None = None,
        known: Callable[[], Recipes] = dict,
    ) -> None:
        self._claimed = claimed
        self._recipe = recipe
        self._known = known
        self._asked = 0
        self._live = live
        self._log: StepLog | None = None
        #: What `cancelled` has learned, and until when (monotonic seconds) it is not asked again.
        self._to_end, self._known_until = False, 0.0
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
    def part(self) -> Part | None:
        """Which part of the step this is, with its item of the list; None if the step is not in parts."""
        if self._claimed.part is None or self._recipe is None:
            return None
        step = self._recipe.steps[self._claimed.step]
        return step.part(self._claimed.part, self.payload, self.results)

    @property
    def now(self) -> datetime:
        """The database's clock when the step was claimed."""
        return self._claimed.now

    @property
    def log(self) -> StepLog:
        """A logger whose lines have job, step and attempt, from whichever thread they are written.

        Logs are no place for personal data: the number of the job leads to it.
        """
        if self._log is None:
            bound = log_context.parts(self._claimed.ticket)
            self._log = StepLog(logging.getLogger("hms.step"), {"bound": bound})
        return self._log

    @property
    def cancelled(self) -> bool:
        """Whether the step works for nothing: a person has asked to cancel, or it runs elsewhere by now.

        Cheap to ask in a loop: the ledger is asked at most once a second. What was asked may be withdrawn.
        """
        if self._live is not None and time.monotonic() >= self._known_until:
            self._to_end = self._live.is_to_end(self._claimed.ticket)
            self._known_until = time.monotonic() + EVERY_SECONDS
        return self._to_end

    def progress(self, share: float, note: str = "") -> None:
        """Show on the job's page how far the step is, from 0 to 1, as in `run.progress(0.4, "page 12")`.

        Cheap to tell in a loop: at most once a second it is written. Everybody who may see the job may read
        the note, so there must be no personal data in it; 200 characters of it are kept. Counts as a
        heartbeat. Raises ValueError for a share that is not from 0 to 1.
        """
        self.heartbeat()
        report = StepProgress.of(share, note)
        if self._live is not None:
            self._live.progress(self._claimed.ticket, report)

    def heartbeat(self) -> None:
        """Say that the step goes on: one whose recipe has a `heartbeat` is ended when it is silent."""
        limits.renew(self._claimed.ticket)

    @property
    def connection(self) -> RawConnection:
        """A connection whose transaction commits together with the completion of this step.

        What is written here happens exactly once, whatever dies. The step can neither commit nor roll back:
        what tries it, by a method, by `with` or in SQL, raises TransactionHeld.
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
        self._asked = 0

    def start_job(
        self,
        job_type: str,
        payload: Mapping[str, Any],
        *,
        key: str | None = None,
        sla_minutes: float | None = None,
        priority: int = 0,
        must: bool | None = None,
    ) -> None:
        """Have a job of any type started, once, when and only when this step is complete.

        A later step with `by = "jobs"` waits for it and has its results. A job that has its key is
        the answer. Raises UnknownJobType, RequestRejected with every fault of the payload.
        """
        faults = payload_schema.faults(recipes.find(self._known(), job_type).payload, payload)
        if faults:
            raise RequestRejected(faults)
        options = {"key": key, "sla_minutes": sla_minutes, "priority": priority, "must": must}
        child_jobs.ask(
            self.connection,
            parent=self._claimed.job,
            step=self._claimed.step,
            number=self._asked,
            job_type=job_type,
            payload=payload,
            options={name: value for name, value in options.items() if value is not None},
        )
        self._asked += 1

    def text(self, phone: str, body: str) -> None:
        """Have a text sent, once, when and only when this step is complete.

        Raises ValueError for characters that cannot be kept.
        """
        if plain(phone) != phone or plain(body) != body:
            raise ValueError("the text holds characters that the ledger cannot keep")
        self._texts.append(StepText(f"{self.token}.{len(self._texts) + 1}", phone, body))
