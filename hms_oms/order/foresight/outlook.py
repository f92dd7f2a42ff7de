"""The outlook of a backlog: when each job ends if nothing changes, and which of them will be late.

It plans as the dispatcher does, with the same code, and lets the jobs be served in the order that follows: a
job ends after the work in front of it, spread over all slots. A change is a situation that differs; what it
would do is the difference of the two outlooks. Moments are seconds of one clock, and nothing here reads one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import accumulate
from math import inf
from typing import NamedTuple, TypeAlias, cast

from hms_oms.order.foresight.line import Line, Situation, line_of
from hms_oms.order.foresight.open_jobs import Group, cells_of
from hms_oms.order.judging import judge
from hms_oms.order.plan import Cell, begins

#: A cell of jobs: whether they must be on time, their kind, and the place of the first of them.
_Key: TypeAlias = tuple[bool, int, int]


class Outlook(NamedTuple):
    """When each job ends, infinite if never, and which ones are `late` or `given_up`.

    Late are those that are past their deadline, were given up, or end after it. Jobs that wait are served in
    the order of the `line`, of which the first `kept` were not given up; `line_ends` are their ends. Parts
    of steps stand in the line, and for their jobs in all else.
    """

    ends: Mapping[int, float]
    late: frozenset[int]
    given_up: frozenset[int]
    line: Line
    line_ends: Sequence[float]
    kept: int

    @property
    def on_time(self) -> float | None:
        """The share of the jobs that will be on time; None of none."""
        return 1 - len(self.late) / len(self.ends) if self.ends else None


def outlook(situation: Situation) -> Outlook:
    """Foresee a situation."""
    given_up = _given_up(situation)
    line, kept = _served(line_of(situation), given_up)
    now, begins_at, slots = situation.now, situation.begins_at, situation.slots
    ends: dict[int, float] = {}
    late = set(given_up)
    work = 0.0
    for job in situation.jobs.front:
        rest = situation.rest(job)
        if job.runs_since is not None:
            end = now + rest
        else:
            end = begins_at + work / slots + rest if slots > 0 else inf
        work += rest
        ends[job.id] = end
        if end > job.deadline or job.deadline < now:
            late.add(job.id)
    line_ends = _ends(situation, line, work)
    ends.update(zip(line.ids, line_ends, strict=True))
    late.update(
        job
        for job, end, deadline in zip(line.ids, line_ends, line.deadlines, strict=True)
        if end > deadline or deadline < now
    )
    wholes = situation.jobs.wholes
    if wholes:
        ends = _whole_ends(ends, wholes)
    return Outlook(ends, _whole(late, wholes), _whole(given_up, wholes), line, line_ends, kept)


def _ends(situation: Situation, line: Line, work: float) -> list[float]:
    """The ends of the jobs of a line, behind so many seconds of work."""
    slots, begins_at = situation.slots, situation.begins_at
    if slots <= 0:
        return [inf] * len(line.ids)
    costs = situation.costs()
    means = {kind: situation.estimates[kind].mean for kind in costs}
    works = accumulate(map(costs.__getitem__, line.kinds), initial=work)
    needs = map(means.__getitem__, line.kinds)
    return [begins_at + before / slots + need for before, need in zip(works, needs, strict=False)]


def _served(line: Line, given_up: frozenset[int]) -> tuple[Line, int]:
    """A line with those at its end that were given up, and how many are in front of them."""
    if not given_up:
        return line, len(line.ids)
    kept = [place for place, job in enumerate(line.ids) if job not in given_up]
    last = [place for place, job in enumerate(line.ids) if job in given_up]
    return line.chosen([*kept, *last]), len(kept)


def _whole_ends(ends: Mapping[int, float], wholes: Mapping[int, int]) -> dict[int, float]:
    """The ends of jobs: one whose parts are here ends with the last of them."""
    whole_ends: dict[int, float] = {}
    for job, end in ends.items():
        whole = wholes.get(job, job)
        whole_ends[whole] = max(end, whole_ends.get(whole, end))
    return whole_ends


def _whole(jobs: set[int] | frozenset[int], wholes: Mapping[int, int]) -> frozenset[int]:
    return frozenset(wholes.get(job, job) for job in jobs) if wholes else frozenset(jobs)


def _given_up(situation: Situation) -> frozenset[int]:
    """The jobs that a plan gives up: by cells, the nearest deadlines of each."""
    if not situation.policy.gives_up or situation.slots <= 0:
        return frozenset()
    costs = situation.costs()
    # The dispatcher counts what stands in the window, and not what runs.
    in_front = sum(costs[job.kind] for job in situation.jobs.front if job.runs_since is None)
    alike: defaultdict[tuple[bool, int], list[Group]] = defaultdict(list)
    for group in situation.jobs.groups:
        if group.priority > 0:
            in_front += costs[group.kind] * len(group.ids)
        elif not group.priority:
            alike[group.must, group.kind].append(group)
    ahead = begins(situation.begins_at, in_front, situation.slots)
    columns = {key: _column(situation, groups) for key, groups in alike.items()}
    counted = [
        Cell(
            column.dues[first],
            costs[kind],
            situation.estimates[kind].upper,
            must,
            behind - first,
            (must, kind, first),
            column.deadlines[first] - column.dues[first],
        )
        for (must, kind), column in columns.items()
        for first, behind in column.cells
    ]
    cuts = cast("Sequence[tuple[_Key, int]]", judge(counted, situation.slots, ahead).cuts)
    return frozenset(
        job for (must, kind, first), leave in cuts for job in columns[must, kind].ids[first : first + leave]
    )


class _Column(NamedTuple):
    """Jobs of a kind of work in the order in which they are due, and the cells in which they are."""

    ids: Sequence[int]
    dues: Sequence[float]
    deadlines: Sequence[float]
    cells: Sequence[tuple[int, int]]


def _column(situation: Situation, groups: Sequence[Group]) -> _Column:
    if len(groups) == 1 and not groups[0].must:
        [group] = groups
        return _Column(group.ids, group.deadlines, group.deadlines, group.cells)
    jobs = sorted(
        (deadline - situation.pull(group), job, deadline)
        for group in groups
        for job, deadline in zip(group.ids, group.deadlines, strict=True)
    )
    dues = [due for due, _, _ in jobs]
    return _Column([job for _, job, _ in jobs], dues, [deadline for *_, deadline in jobs], cells_of(dues))
