"""Which of the runs that are due start, and why the others do not: pure, with the time as argument."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hms_oms.timetables import timetable
from hms_oms.timetables.timetable import Timetable

#: Up to so much after its time a run is on time: it took a dispatcher that long to take over.
ON_TIME = timedelta(minutes=1)
#: The most runs that are made up for at once.
MOST_RUNS = 100
#: Runs that were missed are told one by one from so long ago on, the newest of very many.
TOLD, MOST_TOLD = timedelta(days=7), 200

WAITING, SKIPPED, MISSED = "waiting", "skipped", "missed"


@dataclass(frozen=True, slots=True)
class Rules:
    """What is done of runs that were due while nobody was there, and while work of a run before is open."""

    catch_up: str
    within: timedelta
    overlap: str


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run that is due: it is to start (`waiting`), or was skipped or missed, as its note says."""

    due_at: datetime
    state: str
    note: str | None = None


def due(table: Timetable, next_at: datetime, now: datetime, within: timedelta) -> list[datetime]:
    """What is due by `now` from `next_at` on; of what is older than a week and `within` the first one only.

    Of very many the newest are named.
    """
    since = max(next_at, now - max(within, TOLD))
    runs = deque(timetable.due_between(table, since, now), maxlen=MOST_TOLD)
    return list(dict.fromkeys([next_at, *runs]))


def plan(
    due_at: Sequence[datetime], now: datetime, rules: Rules, open_work: str | None = None
) -> list[PlannedRun]:
    """What becomes of each run that is due, oldest first; `open_work` names work of the run before."""
    start = _started(due_at, now, rules)
    planned = []
    for moment in due_at:
        if moment not in start:
            planned.append(PlannedRun(moment, MISSED, f"no dispatcher was at work; {_why(rules)}"))
        elif rules.overlap == "skip" and open_work is not None:
            planned.append(PlannedRun(moment, SKIPPED, f"{open_work} of the run before is still open"))
        else:
            planned.append(PlannedRun(moment, WAITING))
            open_work = "work"
    return planned


def _started(due_at: Sequence[datetime], now: datetime, rules: Rules) -> Collection[datetime]:
    on_time = [moment for moment in due_at if now - moment <= ON_TIME]
    late = [moment for moment in due_at if ON_TIME < now - moment <= rules.within]
    if rules.catch_up == "all":
        return [*late, *on_time][-MOST_RUNS:]
    if rules.catch_up == "last" and not on_time:
        return late[-1:]
    return on_time


def _why(rules: Rules) -> str:
    if rules.catch_up == "none":
        return "nothing is made up for"
    hours = rules.within.total_seconds() / 3600
    most = "the last run is" if rules.catch_up == "last" else f"{MOST_RUNS} runs at most are"
    return f"{most} made up for, within {hours:g} h"
