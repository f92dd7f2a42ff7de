"""The planner: gives up the fewest waiting jobs when not all can be on time, so that the others are.

Only the leading dispatcher plans. A plan that is missed leaves the one before, which is an order as well.
While everything fits nothing is written, and jobs are taken by their deadlines.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from hms_act.order.works import Works
from hms_oms.database.connections import RawConnection
from hms_oms.jobs.records import Band, Taken
from hms_oms.order.estimates import Estimate
from hms_oms.order.judging import Judgement, judge
from hms_oms.order.plan import begins, moves
from hms_oms.order.policy import Credit, Policy
from hms_oms.queues import backlogs
from hms_oms.queues.dispatch_windows import Window

log = logging.getLogger(__name__)

#: A backlog is planned again after so many seconds, or sooner if its slots or its jobs have changed much ...
PLAN_SECONDS = 5.0
#: ... by this share of its jobs, or by so many.
GROWN, GROWN_LEAST = 0.05, 100
#: What cannot be on time any more is given up so often, in seconds, and new jobs are noticed.
LATE_SECONDS = 1.0
#: The share of the dispatcher's time that plans may take.
SHARE = 0.05
#: After a change of policy jobs may still come in that were dated by the one before: a last look, in seconds.
REDATE_SECONDS = 10.0


@dataclass
class _Planned:
    """What is remembered of the last plan of a queue."""

    #: Not before then, by the planner's clock; and again at this moment, if nothing else makes it needed.
    not_before: float = float("-inf")
    again_at: float = float("-inf")
    slots: int = 0
    jobs: int = 0
    newest_job: int = 0
    #: Whether something was given up.
    is_tight: bool = False
    #: Whether all was written that it asked for.
    is_done: bool = True
    #: What a job of each cell in the backlog was estimated to need.
    estimates: Mapping[int, Estimate] = field(default_factory=dict)
    credit: Credit = field(default_factory=Credit)
    #: The policy by which its jobs are dated, and when they are looked through for others.
    policy: str | None = None
    redate_at: list[float] = field(default_factory=list)


class Planner:
    """Plans of all queues; each turn does what is due."""

    def __init__(self, connection: RawConnection, clock: Callable[[], float] = time.monotonic) -> None:
        self.connection = connection
        self.works = Works()
        self._clock = clock
        self._looked = float("-inf")
        self._measured = float("-inf")
        self._planned: dict[str, _Planned] = {}

    def turn(self, windows: Iterable[Window]) -> None:
        """Measure, date and plan what is due."""
        now = self._clock()
        if now - self._looked < LATE_SECONDS:
            return
        self._looked = now
        if now - self._measured >= PLAN_SECONDS:
            self._measured = now
            self.works.measure(self.connection)
        newest_job = backlogs.newest_job(self.connection)
        for window in windows:
            planned = self._planned.setdefault(window.queue, _Planned())
            self._redate(window, planned)
            if not window.policy.gives_up:
                if window.given_up is not None:
                    backlogs.keep_all(self.connection, window.queue)
            elif window.front is not None and window.slots:
                self._look(window, planned, newest_job)

    def share(self, window: Window, room: int) -> int:
        """How many of the next jobs are to be ones that were given up: 0 or 1, as their share allows."""
        planned = self._planned.get(window.queue)
        if planned is None or window.given_up is None or window.kept is None or not room:
            return 0
        if window.policy is Policy.DEFER:
            return 0
        estimate = planned.estimates.get(window.given_up_cell or 0)
        return int(estimate is not None and planned.credit.spend(estimate.mean))

    def started(self, window: Window, taken: Iterable[Taken]) -> None:
        """Note what was taken of what is kept: it earns a share for what was given up."""
        planned = self._planned.get(window.queue)
        if planned is None:
            return
        if window.given_up is None:
            planned.credit.clear()
            return
        for job in taken:
            if job.place.band is Band.KEPT and job.cell in planned.estimates:
                planned.credit.earn(planned.estimates[job.cell].mean)

    def _redate(self, window: Window, planned: _Planned) -> None:
        """Date jobs by the policy of their queue once it has changed, and after a change of leader."""
        now = self._clock()
        if window.policy != planned.policy:
            is_known, planned.policy = planned.policy is not None, window.policy
            planned.redate_at = [now, now + REDATE_SECONDS] if is_known else [now]
        if planned.redate_at and now >= planned.redate_at[0]:
            del planned.redate_at[0]
            while backlogs.redate(self.connection, window.queue) == backlogs.PAGE:
                pass

    def _look(self, window: Window, planned: _Planned, newest_job: int) -> None:
        """Plan a backlog if it is time, and else give up what has become too late."""
        other = self.works.of_queue(window.queue)
        if other is None:
            return
        now = self._clock()
        grown = newest_job - planned.newest_job > max(GROWN_LEAST, GROWN * planned.jobs)
        if now >= planned.not_before and (now >= planned.again_at or grown or window.slots != planned.slots):
            self._plan(window, planned, other)
            planned.newest_job, planned.slots = newest_job, window.slots
            cost = self._clock() - now
            planned.not_before = self._clock() + cost / SHARE
            planned.again_at = now + PLAN_SECONDS if planned.is_done else now
        elif planned.is_tight:
            ahead = begins(window.now, self._in_front(window, other), window.slots)
            backlogs.give_up_late(self.connection, window.queue, ahead, planned.estimates, other)

    def _plan(self, window: Window, planned: _Planned, other: Estimate) -> None:
        """Plan a backlog, and write what differs from the last plan."""
        spacing = _spacing(window)
        known: dict[int, Estimate] = {}

        def estimate(cell: int) -> Estimate:
            if cell not in known:
                mean, upper = self.works.of_cells(window.queue, [cell]).get(cell, other)
                known[cell] = Estimate(max(mean, spacing), upper)
            return known[cell]

        backlog = backlogs.read(self.connection, window.queue, window.now, estimate)
        in_front = sum(jobs * estimate(cell).mean for cell, jobs in backlog.in_front.items())
        ahead = begins(window.now, self._in_front(window, other) + in_front, window.slots)
        judgement = judge(backlog.cells, window.slots, ahead)
        moved = backlogs.move(self.connection, window.queue, moves(backlog.cells, judgement.cuts))
        if judgement.given_up or planned.is_tight:
            backlogs.record(self.connection, window.queue, backlog, window.slots, judgement)
        if moved:
            _say(window.queue, backlog.jobs, judgement, moved)
        planned.is_done = moved < backlogs.PAGE
        planned.is_tight, planned.jobs = judgement.given_up > 0, backlog.jobs
        planned.estimates = known

    def _in_front(self, window: Window, other: Estimate) -> float:
        """The work that stands in the window, in seconds of a slot."""
        return window.queued * max(other.mean, _spacing(window))


def _spacing(window: Window) -> float:
    """The least time of a slot that a job costs under the queue's limit of starts a minute."""
    return 60 * window.slots / window.starts_per_minute if window.starts_per_minute else 0.0


def _say(queue: str, jobs: int, judgement: Judgement, moved: int) -> None:
    log.info(
        "queue %s: %d of %d waiting jobs are given up, %d changed", queue, judgement.given_up, jobs, moved
    )
