"""For how long what jobs leave behind is kept: the settings, and what the recipes say of their own types."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, text

from hms_oms.recipes.retention.table import PARTS, is_longer
from hms_oms.runtime import clock
from hms_oms.runtime.settings import Settings

#: Earlier than anything that has ended.
NEVER_BEFORE = "-infinity"
#: Event logs that are kept for so long at least, and longest, are left to be dropped with their month.
WHOLE_MONTHS = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Keep:
    """Durations from the end of a job; None is never over.

    Parts of a job go with it at the latest, and its key stays known for as long as it is there at least.
    """

    jobs: timedelta | None
    events: timedelta | None
    messages: timedelta | None
    attempts: timedelta | None
    personal_data: timedelta | None
    keys: timedelta | None

    def with_table(self, table: Mapping[str, str]) -> Keep:
        """These durations with those that a recipe's table names in their place."""
        return replace(
            self, **{kind: clock.read_duration(written) for kind, written in table.items()}
        )._consistent()

    def _consistent(self) -> Keep:
        parts = {name: self.jobs for name in PARTS if is_longer(getattr(self, name), self.jobs)}
        keys = self.jobs if is_longer(self.jobs, self.keys) else self.keys
        return replace(self, **parts, keys=keys)

    def before(self, kind: str, now: datetime) -> datetime | None:
        """The end before which a job has a kind removed; None if it never has."""
        duration: timedelta | None = getattr(self, kind)
        return None if duration is None else now - duration


@dataclass(frozen=True, slots=True)
class Rule:
    """What is in force for one job type; `personal` are the fields of its payload with personal data."""

    type: str
    keep: Keep
    personal: tuple[tuple[str, ...], ...] = ()


def defaults(configured: Settings) -> Keep:
    """The durations of the settings."""
    return Keep(
        configured.keep_jobs,
        configured.keep_events,
        configured.keep_messages,
        configured.keep_attempts,
        configured.keep_personal_data,
        configured.keep_keys,
    )._consistent()


def read(connection: Connection, otherwise: Keep) -> list[Rule]:
    """What is in force for every type that the ledger knows, also for those that no recipe describes now."""
    rows = connection.execute(
        text(
            "select type, rule.keep, rule.personal from (select distinct type from oms.recipes) as known"
            " left join oms.retention_rules as rule using (type) order by type"
        )
    )
    return [_rule(row.type, row.keep, row.personal, otherwise) for row in rows]


def together(rules: Iterable[Rule], kind: str) -> dict[timedelta, list[Rule]]:
    """The rules by how long they keep a kind; those that keep it always are left out."""
    groups: dict[timedelta, list[Rule]] = {}
    for rule in rules:
        duration: timedelta | None = getattr(rule.keep, kind)
        if duration is not None:
            groups.setdefault(duration, []).append(rule)
    return groups


def longest_log(rules: Iterable[Rule]) -> timedelta | None:
    """For how long event logs are kept at most; None if one is always, or there are none."""
    longest = timedelta(0)
    for rule in rules:
        if rule.keep.events is None:
            return None
        longest = max(longest, rule.keep.events)
    return longest or None


def goes_by_month(kind: str, duration: timedelta | None, longest: timedelta | None) -> bool:
    """Whether what is kept for so long is removed by the month: event logs that are kept longest."""
    return kind == "events" and duration is not None and duration == longest and duration >= WHOLE_MONTHS


def month_of(moment: datetime) -> datetime:
    """When its month began, in which the event log is kept."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _rule(job_type: str, table: Any, personal: Any, otherwise: Keep) -> Rule:
    keep = otherwise.with_table(table or {})
    return Rule(job_type, keep, tuple(tuple(path) for path in personal or ()))
