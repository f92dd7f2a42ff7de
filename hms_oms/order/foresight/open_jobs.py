"""Open jobs of a queue, in columns: those in flight one by one, those that wait in groups of jobs alike.

There may be a hundred thousand. What is told of each of them is a number in a list, and what is the same for
many is told once. Moments are seconds of one clock.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, repeat
from operator import itemgetter
from typing import Any, NamedTuple

from hms_oms.order.plan import CELL_SECONDS


class Open(NamedTuple):
    """An open job. `kind` is what its estimate goes by; `sla` is for how many seconds it was promised.

    It stands in the window or runs if it is `in_flight`; one that runs does since `runs_since`. A part of a
    step of a `whole` job is work, and that job ends no sooner; it is no job that is on time or late itself.
    """

    id: int
    accepted: float
    deadline: float
    kind: int
    sla: float = 0.0
    must: bool = False
    priority: int = 0
    in_flight: bool = False
    runs_since: float | None = None
    whole: int | None = None


@dataclass(frozen=True, eq=False)
class Group:
    """Waiting jobs that differ only in who they are, when they were accepted, and when they are due.

    They are in the order of their deadlines, and of equal ones by id. If they are parts of steps, `wholes`
    are the jobs whose parts they are.
    """

    kind: int
    must: bool
    priority: int
    sla: float
    ids: Sequence[int]
    accepted: Sequence[float]
    deadlines: Sequence[float]
    wholes: Sequence[int] | None = None

    @classmethod
    def of(
        cls,
        kind: int,
        must: bool,
        priority: int,
        sla: float,
        ids: Sequence[int],
        accepted: Sequence[float],
        deadlines: Sequence[float],
        wholes: Sequence[int] | None = None,
    ) -> Group:
        """Put jobs that are alike in the order of a group."""
        order = sorted(range(len(ids)), key=ids.__getitem__)
        order.sort(key=deadlines.__getitem__)
        return cls(
            kind,
            must,
            priority,
            sla,
            in_order(order, ids),
            in_order(order, accepted),
            in_order(order, deadlines),
            None if wholes is None else in_order(order, wholes),
        )

    @cached_property
    def cells(self) -> Sequence[tuple[int, int]]:
        """The places at which the cells of their deadlines begin, each with that behind its last job.

        A change leaves most groups as they are, so that these are found once for before and after.
        """
        return cells_of(self.deadlines)


def in_order(places: Sequence[int], column: Sequence[Any]) -> Sequence[Any]:
    """What stands at these places of a column, in their order."""
    # It gives no sequence for one place alone.
    return [column[place] for place in places] if len(places) < 2 else list(itemgetter(*places)(column))


def cells_of(moments: Sequence[float]) -> Sequence[tuple[int, int]]:
    """The cells of moments that are in order: the place of the first in each, and that behind its last."""
    cells, place = [], 0
    while place < len(moments):
        number = int(moments[place] // CELL_SECONDS)
        behind = bisect_left(moments, (number + 1) * CELL_SECONDS, place + 1)
        cells.append((place, behind))
        place = behind
    return cells


class OpenJobs(NamedTuple):
    """The jobs of a queue that are in flight, in the order of their turns, and those that wait."""

    front: Sequence[Open]
    groups: Sequence[Group]

    @classmethod
    def of(cls, jobs: Iterable[Open]) -> OpenJobs:
        """Put jobs in groups."""
        front: list[Open] = []
        alike: defaultdict[tuple[Any, ...], list[Open]] = defaultdict(list)
        for job in jobs:
            if job.in_flight:
                front.append(job)
            else:
                alike[job.kind, job.must, job.priority, job.sla, job.whole is not None].append(job)
        return cls(front, [_group(members) for members in alike.values()])

    @property
    def kinds(self) -> set[int]:
        """The kinds of work among them."""
        return {job.kind for job in self.front} | {group.kind for group in self.groups}

    @property
    def wholes(self) -> Mapping[int, int]:
        """Of each part the job whose part it is."""
        front = ((job.id, job.whole) for job in self.front if job.whole is not None)
        waiting = (zip(group.ids, group.wholes, strict=True) for group in self.groups if group.wholes)
        return dict(chain(front, *waiting))

    def deadlines(self) -> Iterator[tuple[float, int]]:
        """The deadline of each job, and the job; of a part its whole job."""
        for job in self.front:
            yield job.deadline, job.id if job.whole is None else job.whole
        for group in self.groups:
            yield from zip(group.deadlines, group.wholes or group.ids, strict=True)

    def plus(self, jobs: Sequence[Open]) -> OpenJobs:
        """These and others."""
        more = OpenJobs.of(jobs)
        return OpenJobs([*self.front, *more.front], [*self.groups, *more.groups])

    def apart(self, chosen: Collection[int]) -> tuple[OpenJobs, list[Open]]:
        """All others, and those that are chosen, with the parts of such."""
        among = frozenset(chosen)
        front = [job for job in self.front if not _is_among(job, among)]
        out = [job for job in self.front if _is_among(job, among)]
        groups = []
        for group in self.groups:
            if among.isdisjoint(group.ids) and (group.wholes is None or among.isdisjoint(group.wholes)):
                groups.append(group)
                continue
            members = list(_members(group))
            out += [job for job in members if _is_among(job, among)]
            left = [job for job in members if not _is_among(job, among)]
            groups += [_group(left)] if left else []
        return OpenJobs(front, groups), out


def _is_among(job: Open, among: frozenset[int]) -> bool:
    return job.id in among or job.whole in among


def _group(members: Sequence[Open]) -> Group:
    """The group of waiting jobs that are alike."""
    first = members[0]
    return Group.of(
        first.kind,
        first.must,
        first.priority,
        first.sla,
        [job.id for job in members],
        [job.accepted for job in members],
        [job.deadline for job in members],
        None if first.whole is None else [job.whole or 0 for job in members],
    )


def _members(group: Group) -> Iterator[Open]:
    wholes: Iterable[int | None] = group.wholes or repeat(None, len(group.ids))
    for job, accepted, deadline, whole in zip(
        group.ids, group.accepted, group.deadlines, wholes, strict=True
    ):
        yield Open(
            job,
            accepted,
            deadline,
            group.kind,
            group.sla,
            group.must,
            group.priority,
            whole=whole,
        )
