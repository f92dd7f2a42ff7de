"""What an incident of a schedule says: which file is missing where, or why nothing has started."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from hms_oms.runtime.format import about


def phrase(facts: Mapping[str, Any], at: Callable[[str | datetime], str]) -> str:
    """The trouble, as part of a sentence."""
    name, note = facts["schedule"], f": {facts['note']}" if facts["note"] else ""
    match facts["kind"]:
        case "missing":
            return f"schedule {name} misses its file since {at(facts['since'])}{note}"
        case "refused":
            return f"schedule {name}{note}"
        case "failed":
            return f"schedule {name} has started nothing, due {at(facts['due_at'])}{note}"
    return f"schedule {name} is due since {at(facts['since'])}, and no dispatcher starts it"


def past(facts: Mapping[str, Any], seconds: float) -> str:
    """The same when it is over, after so long at most."""
    if facts["kind"] == "missing":
        return f"schedule {facts['schedule']} missed its file for {about(seconds)}"
    return f"schedule {facts['schedule']} had not started its work for {about(seconds)}"
