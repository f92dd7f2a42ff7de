"""Read what retention would remove now, by job type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from hms_oms.database import health, statements
from hms_oms.retention import rules as in_force
from hms_oms.retention.rules import NEVER_BEFORE, Rule

_KINDS = ("jobs", "events", "messages", "attempts", "personal_data")


@dataclass(frozen=True, slots=True)
class Due:
    """Rows of one job type that are over their time; `personal_data` counts jobs.

    Jobs over their time that stay: `held` ones by a legal hold, `needed` ones for another reason.
    """

    type: str
    jobs: int = 0
    events: int = 0
    messages: int = 0
    personal_data: int = 0
    held: int = 0
    needed: int = 0


def read(connection: Connection, rules: Sequence[Rule]) -> list[Due]:
    """What would be removed now of the jobs of these rules."""
    now = health.clock(connection)
    longest = in_force.longest_log(rules)
    asked = {kind: [_before(rule, kind, now, longest) for rule in rules] for kind in _KINDS}
    personal = [bool(rule.personal) for rule in rules]
    rows = statements.run(
        connection, "due", {"types": [rule.type for rule in rules], "personal": personal, **asked}
    )
    known = {row["type"]: Due(**row) for row in rows}
    return [known.get(rule.type, Due(rule.type)) for rule in rules]


def _before(rule: Rule, kind: str, now: datetime, longest: timedelta | None) -> datetime | str:
    before = rule.keep.before(kind, now)
    if before is None:
        return NEVER_BEFORE
    by_month = in_force.goes_by_month(kind, getattr(rule.keep, kind), longest)
    return in_force.month_of(before) if by_month else before
