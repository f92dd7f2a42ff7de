"""Words for what retention would remove now."""

from __future__ import annotations

from collections.abc import Sequence

from hms_oms.retention.due import Due
from hms_oms.runtime import format


def sentence(amounts: Sequence[Due]) -> str:
    """What retention would remove and erase now."""
    whole = total(amounts)
    parts = []
    if whole["jobs"]:
        parts.append(f"remove {format.count(whole['jobs'], 'job')}")
    if whole["events"] or whole["messages"]:
        lines = format.count(whole["events"], "line of event logs", "lines of event logs")
        parts.append(f"{'' if parts else 'remove '}{lines} and {format.count(whole['messages'], 'text')}")
    if whole["personalData"]:
        parts.append(f"erase the personal data of {format.count(whole['personalData'], 'job')}")
    held = f" {format.count(whole['held'], 'job')} over time stay by a legal hold." if whole["held"] else ""
    if not parts:
        return f"Nothing is over its time for retention.{held}"
    return f"Retention would {', '.join(parts)} now (hms db prune --dry-run tells more).{held}"


def total(amounts: Sequence[Due]) -> dict[str, int]:
    """The sums over all job types."""
    return {
        "jobs": sum(due.jobs for due in amounts),
        "events": sum(due.events for due in amounts),
        "messages": sum(due.messages for due in amounts),
        "personalData": sum(due.personal_data for due in amounts),
        "held": sum(due.held for due in amounts),
        "needed": sum(due.needed for due in amounts),
    }
