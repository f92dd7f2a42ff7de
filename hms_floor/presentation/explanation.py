"""Read all that explains where a job stands: its case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise

from sqlalchemy import Connection

from hms_oms.broker import broker_state
from hms_oms.database import health
from hms_oms.jobs import commands
from hms_oms.jobs.parts import child_jobs
from hms_oms.jobs.parts.child_jobs import ChildJob
from hms_oms.jobs.queries import explain
from hms_oms.jobs.queries.explain import Standing
from hms_oms.jobs.records import Event
from hms_oms.jobs.tickets import job_name
from hms_oms.queues import plans
from hms_oms.queues.plans import BacklogPlan
from hms_oms.recipes import registry
from hms_oms.recipes.steps.step import Step
from hms_ops import heartbeats


@dataclass(frozen=True)
class Case:
    """A job's standing, and what else bears on it, told by the clock of `zone`.

    `step` is None where no recipe of the job is known.
    """

    standing: Standing
    step: Step | None
    lease_until: datetime | None
    dispatcher: bool
    zone: tzinfo
    #: The newer job that has the key of this one, which is cancelled.
    replaced_by: str | None = None
    #: What Redis does instead of taking what is handed out.
    refused: str | None = None
    #: The plan that gives up jobs of its queue.
    plan: BacklogPlan | None = None
    #: The jobs that it has started, if it waits for them.
    child_jobs: Sequence[ChildJob] = ()

    @property
    def by_agent(self) -> bool:
        """Whether the job's step is an agent's."""
        return self.step is not None and self.step.by == "agent"

    @property
    def attempts(self) -> int | None:
        """How often the step may fail before the job does; one that waits has no tries."""
        return self.step.retry.attempts if self.step and self.step.awaits is None else None


def read(connection: Connection, job: int, zone: tzinfo) -> Case:
    """Read where a job stands, and why. Raises UnknownJob."""
    standing = explain.standing(connection, job)
    return Case(
        standing,
        _step(connection, standing),
        commands.lease_until(connection, job),
        any(leader.daemon == "act" for leader in health.leaders(connection)),
        zone,
        next(map(job_name, commands.key_holders(connection, [job]).values()), None),
        heartbeats.stop_of(broker_state.read(connection)).get("refused"),
        plans.in_force(connection).get(standing.job.queue),
        child_jobs.of_job(connection, job) if standing.awaits_jobs else (),
    )


def _step(connection: Connection, standing: Standing) -> Step | None:
    """The job's step as the newest recipe of its type with the same steps describes it."""
    job = standing.job
    recipe = registry.fitting(connection, job.type, job.steps)
    return recipe.steps[job.step] if recipe is not None else None


def took(event_log: Sequence[Event], now: datetime) -> list[timedelta]:
    """How long the job stayed in the status that each line of its event log brought it to."""
    moments = [line.at for line in event_log] + [now]
    return [later - earlier for earlier, later in pairwise(moments)]
