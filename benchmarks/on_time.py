"""Share of jobs on time under overload, on the real stack: each policy on the same burst of jobs.

Four kinds of jobs, of which the largest takes nine times as long as the smallest, each in three exponential
parts. All are accepted at once, with deadlines spread evenly over a time in which not all can be done.
"""

from __future__ import annotations

import math
import random
import time
from collections import defaultdict
from statistics import fmean
from typing import NamedTuple

from sqlalchemy import text

from benchmarks.processes import Setup
from benchmarks.product import RECIPES, WHO, Product
from benchmarks.results import Result
from hms_act import accept
from hms_oms.order.backlog import Job
from hms_oms.order.policy import Policy
from hms_oms.order.simulation import Simulation, Works
from hms_oms.recipes import recipes, registry

SLOTS = Setup("threads", slots=16, processes=1)
#: Seconds of a slot that a job takes on average, and each kind over that.
MEAN = 1.0
KINDS = {"small": 0.25, "medium": 0.5, "large": 1.0, "huge": 2.25}
#: How many times more work than fits.
LOADS = (1.2, 2.0)
#: Jobs that are done first, so that their times are known.
KNOWN = 160
#: Deadlines lie on multiples of so many seconds: jobs with one deadline are accepted together.
TICK = 1.0
#: Real workers may have so many percent fewer on time than the simulator of the product says.
BEHIND = 3.0


class Nap(NamedTuple):
    """A job of the burst."""

    kind: str
    seconds: float
    due: float


def burst(seconds: float, load: float, seed: int = 1) -> list[Nap]:
    """Jobs for so many times as long as they have."""
    dice = random.Random(seed)
    jobs = round(load * seconds * SLOTS.slots / MEAN)
    kinds = [dice.choice(list(KINDS)) for _ in range(jobs)]
    return [
        Nap(kind, dice.gammavariate(3, MEAN * KINDS[kind] / 3), dice.uniform(0, seconds)) for kind in kinds
    ]


#: Those that are compared.
POLICIES = (Policy.MOST_ON_TIME, Policy.DEADLINE, Policy.FIFO)


def measure(product: Product, seconds: float) -> list[Result]:
    """The share on time of jobs with deadlines within so many seconds, beside the simulator."""
    results = [_measured(product, seconds, load) for load in LOADS]
    product.clear()
    return results


def _measured(product: Product, seconds: float, load: float) -> Result:
    naps = burst(seconds, load)
    shares = {policy: _share(product, policy, seconds, naps) for policy in POLICIES}
    simulated = _simulated(naps)
    detail = {str(policy): round(share, 1) for policy, share in shares.items()}
    others = f"by deadline {detail['deadline']}, by acceptance {detail['fifo']}"
    return Result(
        "ontime",
        f"jobs on time of a burst of {load:g} times the capacity, real workers, {seconds:g} s",
        shares[Policy.MOST_ON_TIME],
        "%",
        bar=simulated - BEHIND,
        aim=simulated,
        note=f"the simulator says {simulated:.1f}; {others}",
        detail={**detail, "simulated": round(simulated, 1)},
    )


def _simulated(naps: list[Nap]) -> float:
    """What the simulator of the product says of a burst, in percent."""
    works = Works(MEAN)
    for nap in naps[:KNOWN]:
        works.add(nap.kind, nap.seconds)
    jobs = [Job(number, 0.0, nap.seconds, nap.due, nap.kind) for number, nap in enumerate(naps)]
    Simulation(jobs, SLOTS.slots, Policy.MOST_ON_TIME, works, []).run()
    return 100 * fmean(job.on_time for job in jobs)


def _share(product: Product, policy: Policy, seconds: float, naps: list[Nap]) -> float:
    product.clear()
    recipe = recipes.load_folder(RECIPES)["bench:nap:v1"]
    with product.engine.begin() as connection:
        registry.register(connection, recipe)
        connection.execute(
            text("update oms.queues set policy = :policy where name = 'nap'"), {"policy": policy.value}
        )
    with product.working(SLOTS):
        _accept(product, recipe, [nap._replace(due=600.0) for nap in naps[:KNOWN]])
        product.await_done()
        first = product.last_job()
        _accept(product, recipe, naps)
        time.sleep(seconds)
        with product.engine.connect() as connection:
            return 100 * float(connection.scalar(text(_ON_TIME), {"first": first}) or 0)


def _accept(product: Product, recipe: recipes.Recipe, naps: list[Nap]) -> None:
    """Accept jobs at once: one by one, the first deadlines would be over before the last job is accepted."""
    at_once: dict[float, list[Nap]] = defaultdict(list)
    for nap in naps:
        at_once[max(1, math.ceil(nap.due / TICK)) * TICK].append(nap)
    with product.engine.begin() as connection:
        for due, members in at_once.items():
            payloads = [{"kind": nap.kind, "seconds": nap.seconds} for nap in members]
            accept.accept_many(connection, recipe, payloads, requested_by=WHO, sla_minutes=due / 60)


_ON_TIME = """
select avg((finished_at is not null and finished_at <= sla)::int) from oms.jobs where id > :first
"""
