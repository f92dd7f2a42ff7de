"""Rules of the watch: one module each, with its name, title, thresholds and `judge`.

A rule judges one snapshot and nothing else. How long it must hold before somebody is called
(`for_seconds`), and when it is over, is the business of the incidents.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

from hms_ops.findings import Finding, Key
from hms_ops.forecast.snapshot import Snapshot
from hms_ops.rules import busy_host, failing, forecast, late, no_worker, slow, stalled
from hms_ops.rules.limits import Limits
from hms_ops.rules.services import behind, dispatcher, held_horizon, outbox, redis, schedule, webhook

__all__ = ["RULES", "Limits", "Rule"]


@dataclass(frozen=True)
class Rule:
    """A rule: `judge` says where it holds in a snapshot, by the thresholds in force.

    `defaults` are the rule's own thresholds, and those common to all rules that it knows better. `unknown`
    names what it cannot judge in a snapshot for want of data: there it neither holds nor is clear.
    """

    name: str
    title: str
    defaults: Mapping[str, float]
    judge: Callable[[Snapshot, Limits], list[Finding]]
    unknown: Callable[[Snapshot], list[Key]] = lambda _: []


def _rule(module: ModuleType) -> Rule:
    more = {"unknown": module.unknown} if hasattr(module, "unknown") else {}
    return Rule(module.NAME, module.TITLE, module.DEFAULTS, module.judge, **more)


#: All rules; those that say that a deadline is missed come first.
RULES: Sequence[Rule] = tuple(
    _rule(module)
    for module in (
        *(late, slow, forecast, stalled, redis, dispatcher, no_worker),
        *(failing, busy_host, schedule, outbox, webhook, held_horizon, behind),
    )
)
