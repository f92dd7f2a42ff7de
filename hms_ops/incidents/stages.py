"""Stages of an incident of lateness: the rules about one queue's deadlines feed it, and the worst one shows.

Jobs are late, will be late, wait too long, have no worker, or nothing gets finished: that is one trouble in
several stages, whatever it began with. A busy host is no stage of it: it is named inside, as a cause.
"""

from __future__ import annotations

from collections.abc import Mapping

from hms_ops.findings import Key

#: The stages of trouble with a queue's deadlines, the worst first, in words.
STAGES: Mapping[str, str] = {
    "late": "late",
    "forecast": "will be late",
    "slow": "waits too long",
    "no-worker": "no worker",
    "stalled": "stands still",
}
#: The stage in which deadlines are missed.
BROKEN = "late"
#: Stages in which trouble elsewhere is no incident of its own, but named as what explains it.
LATENESS = ("late", "forecast", "slow")
#: Rules that say why jobs are late, rather than that they are.
CAUSES = ("no-worker", "stalled", "busy-host")
#: What the rules above have in common, in the place of a rule.
DEADLINES = "deadlines"


def key_of(rule: str, queue: str | None, subject: str | None) -> Key:
    """What makes two findings the same incident: rules about a queue's deadlines share one."""
    return (DEADLINES if rule in STAGES else rule), queue, subject


def rank(rule: str) -> int:
    """How bad a rule's finding is: 0 is the worst."""
    return list(STAGES).index(rule) if rule in STAGES else len(STAGES)


def word(rule: str) -> str:
    """The stage that a rule stands for, as people read it; of a rule that is no stage, its own name."""
    return STAGES.get(rule, rule)
