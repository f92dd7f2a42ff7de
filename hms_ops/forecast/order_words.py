"""The order of a backlog in words: what its policy means, and why jobs are given up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hms_oms.order.policy import Policy
from hms_oms.runtime.format import about, count

if TYPE_CHECKING:
    from hms_oms.queues.plans import BacklogPlan

#: What each policy does, as the end of a sentence that begins with the queue.
MEANING: Mapping[str, str] = {
    Policy.MOST_ON_TIME: "goes by deadline; when not all can be on time, the fewest are given up",
    Policy.DEADLINE: "goes by deadline, also when not all can be on time",
    Policy.FIFO: "goes by when jobs were accepted",
    Policy.DEFER: "goes by deadline; when not all can be on time, the fewest are held back",
}


def order(policy: str, set_by: str | None) -> str:
    """The policy of a queue and who has set it."""
    by = f" (set by {set_by})" if set_by else ""
    return f"Policy {policy}{by}: {MEANING[policy]}."


def given_up(plan: BacklogPlan, since: str) -> str:
    """How many jobs of a queue are given up, since when and why."""
    done, _ = put_off(plan)
    return f"{count(plan.given_up, 'job is', 'jobs are')} {done} since {since}: {because(plan)}."


def put_off(plan: BacklogPlan | None) -> tuple[str, str]:
    """What became of a job that cannot be on time, and until when; the queue follows."""
    if plan is not None and plan.policy == Policy.DEFER:
        return "deferred", "held back as long as there are others"
    return "given up", "done after the others"


def in_brief(facts: Mapping[str, Any], at: Callable[[str], str]) -> str:
    """What is done last, in a sentence about lateness; incidents of earlier versions know of nothing."""
    number, since = facts.get("given_up"), facts.get("given_up_since")
    if not number:
        return ""
    return f" ({number:,} given up{f' since {at(since)}' if since else ''})"


def because(plan: BacklogPlan) -> str:
    """Why jobs of a queue are given up, in a sentence or two."""
    jobs, slots = count(plan.jobs, "waiting job"), count(plan.slots, "slot")
    if plan.starts_per_minute is None:
        too_much = f"{about(plan.work)} of work in {jobs} is more than {slots} can do before all deadlines"
    else:
        starts = count(plan.starts_per_minute, "start")
        too_much = f"{starts} a minute and {slots} are too few for {jobs} to end by their deadlines"
    words = f"{too_much}. The fewest jobs, {plan.given_up:,}, are "
    if plan.policy == Policy.DEFER:
        words += "held back until no other job waits"
    else:
        words += "done after the others, with a twentieth of the work until then"
    if plan.hopeless:
        could = "1 of them" if plan.hopeless == 1 else f"{plan.hopeless:,} of them"
        words += f"; {could} would be late even if it were next"
    return words
