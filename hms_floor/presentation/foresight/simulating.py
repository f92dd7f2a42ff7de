"""Simulate arrivals under policies, and sum up what became of them."""

from __future__ import annotations

from collections.abc import Sequence

from hms_oms.documents.simulations import Bound, Simulated, SimulatedPolicy
from hms_oms.order import comparison
from hms_oms.order.arrivals import Arrivals
from hms_oms.order.comparison import Comparison, Outcome
from hms_oms.order.policy import Policy


def simulated(jobs: Arrivals, workers: int, policies: Sequence[Policy] = tuple(Policy)) -> Simulated:
    """Simulate; this takes seconds of a core for thousands of jobs."""
    return summary(comparison.compare(jobs.jobs, workers, policies), jobs)


def summary(result: Comparison, jobs: Arrivals) -> Simulated:
    """A simulation in numbers."""
    return Simulated(
        jobs=result.jobs,
        passed_over=jobs.passed_over,
        workers=result.slots,
        work_seconds=sum(job.service for job in jobs.jobs),
        policies=tuple(_outcome(outcome, result.jobs) for outcome in result.outcomes),
        # What is a whole number but for rounding is one.
        bound=Bound(int(result.most + 1e-6), result.most / result.jobs),
    )


def _outcome(outcome: Outcome, jobs: int) -> SimulatedPolicy:
    return SimulatedPolicy(
        policy=str(outcome.policy),
        on_time=outcome.on_time,
        share=outcome.on_time / jobs,
        late=jobs - outcome.on_time,
        must_late=outcome.must_late,
        mean_lateness_seconds=round(outcome.mean_lateness, 3),
        longest_wait_seconds=round(outcome.longest_wait, 3),
    )
