"""Documents of simulations: what would have been on time, under each policy."""

from __future__ import annotations

from dataclasses import dataclass

from hms_oms.documents.document import Document


@dataclass(frozen=True, slots=True)
class SimulatedPolicy(Document):
    """What became of the jobs under a policy; `must_late` were late of those that must not be."""

    policy: str
    on_time: int
    share: float
    late: int
    must_late: int
    mean_lateness_seconds: float
    longest_wait_seconds: float


@dataclass(frozen=True, slots=True)
class Bound(Document):
    """At most so many jobs can be on time, whatever the order."""

    on_time: int
    share: float


@dataclass(frozen=True, slots=True)
class Simulated(Document):
    """Jobs replayed against so many workers under each policy; those that had never run were passed over."""

    jobs: int
    passed_over: int
    workers: int
    work_seconds: float
    policies: tuple[SimulatedPolicy, ...]
    bound: Bound
