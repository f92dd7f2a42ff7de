"""Which fault was it: for each execution that came to nothing, and for each job that was taken back."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hms_oms.jobs.states import Fact
from hms_oms.jobs.tickets import Ticket
from hms_oms.jobs.workers import GONE_SECONDS
from tests.chaos.executions import FAILED, LEFT, Execution
from tests.chaos.history import Entry, Fault, History

#: Facts by which the result of a step is recorded.
COMPLETIONS = frozenset({Fact.ADVANCED, Fact.HANDED_OVER, Fact.AWAITING, Fact.SLEEPING, Fact.FINISHED})
_FAILURES = frozenset({Fact.RETRYING, Fact.FAILED})
_LOSSES = frozenset({Fact.LOST, Fact.POISONED})

#: Why a worker gives a step to others: it is busy, or stood still, or waited for Redis.
_GIVEN = frozenset({"its worker is busy with longer steps", "its worker could not begin it in time"})
#: What meets everybody who works with the ledger.
_OF_ALL = (*("postgresRestarted", "postgresStopped", "diskFull", "sessionsTerminated", "clockStepped"),)
#: What ends or stops a worker; one that was not heard for too long ends itself.
_OF_WORKERS = ("workerKilled", "workerStopped", "workerReplaced")
#: Losing a message may come of any of these.
_MESSAGE_LOSSES = (
    *("flushed", "redisRestarted", "redisStopped", "redisFull", "redisReadOnly", *_OF_WORKERS),
    *("dispatcherKilled", "dispatcherStopped", *_OF_ALL),
)
#: While one of these lasts nothing is found lost: the ledger, or the process that looks, is not there.
_BLINDING = ("dispatcherKilled", "dispatcherStopped", *_OF_ALL)
#: Nor a message: Redis does not answer, or is a replica, whose answer says nothing of what was published.
_HIDING = ("redisRestarted", "redisStopped", "redisReadOnly")

#: What is written down and what is done are this far apart at most, in seconds.
SLACK = 0.5
#: No execution is longer, in seconds: not even one whose worker is stopped meanwhile.
LONGEST_SECONDS = 60.0
#: After an absence of PostgreSQL nobody is judged before everybody could be heard again, in seconds.
NEWS_SECONDS = GONE_SECONDS


@dataclass(frozen=True, slots=True)
class Stretch:
    """What lies between two lines of a job's event log: the job in one status, until the next event."""

    job: int
    step: str
    entry: Entry
    next: Entry | None

    @property
    def running(self) -> bool:
        """Whether somebody had claimed the step."""
        return self.entry.status == "running"

    @property
    def until(self) -> float:
        """When it was over."""
        return self.next.at if self.next else float("inf")


@dataclass(frozen=True, slots=True)
class Wasted:
    """An execution whose result was not recorded, and the fault that it came of, if there is one."""

    execution: Execution
    fault: Fault | None


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A job that recovery took back, and the fault that it came of, if there is one.

    `seconds` counts from the fault, or from when the job got into it, or from when its message was last seen
    to stand in Redis; where the ledger, Redis or the process that looks was away, from when all were
    back. `overlapped` says that one was; `in_all` counts from the fault all the same.
    """

    stretch: Stretch
    fault: Fault | None
    seconds: float
    overlapped: bool
    in_all: float


def stretches(history: History) -> Iterator[Stretch]:
    """The event logs, cut into stretches."""
    for job, event_log in history.event_log.items():
        steps = history.jobs[job].steps
        for entry, following in zip(event_log, [*event_log[1:], None], strict=True):
            yield Stretch(job, steps[entry.step], entry, following)


def wasted(history: History) -> list[Wasted]:
    """Every execution that was neither recorded as done or failed nor given up on purpose."""
    claimed = {(s.job, s.step, s.entry.attempt): s for s in stretches(history) if s.running}
    settled: set[tuple[int, str, int]] = set()
    rows: list[Wasted] = []
    for execution in history.executions:
        place = (execution.job, execution.step, execution.attempt)
        stretch = claimed.get(place)
        if execution.how == LEFT:
            continue
        if stretch and place not in settled and _recorded(history, execution, stretch):
            settled.add(place)
            continue
        until = stretch.until if stretch else _next_loss(history, execution)
        claimed_at = stretch.entry.at if stretch else execution.begin
        rows.append(Wasted(execution, _cause(execution, claimed_at, until, history.faults)))
    return rows


def hits(history: History, in_vain: Sequence[Wasted]) -> list[tuple[Fault, Execution]]:
    """Every execution that a kill, a stop or an outage met before its result was recorded."""
    begins = [execution.begin for execution in history.executions]
    rows = [
        (fault, execution)
        for fault in history.faults
        for execution in history.executions[
            bisect_left(begins, fault.at - LONGEST_SECONDS) : bisect_right(begins, fault.until)
        ]
        if (_concerns(fault, execution) or fault.kind in _OF_ALL)
        and fault.at < (float("inf") if execution.end is None else execution.end)
    ]
    reporting = [(item.fault, item.execution) for item in in_vain if item.fault]
    return list(dict.fromkeys([*rows, *reporting]))


def taken_back(history: History) -> list[TakenBack]:
    """Every job that recovery took back; what a worker gives to others is not lost."""
    return [
        _judge(stretch, history)
        for stretch in stretches(history)
        if stretch.next is not None
        and stretch.next.fact in _LOSSES
        and stretch.next.reason not in _GIVEN
        and stretch.entry.fact != Fact.RESERVED
    ]


def _judge(stretch: Stretch, history: History) -> TakenBack:
    fault = _loss(stretch, history)
    if fault is None:
        return TakenBack(stretch, None, 0.0, False, 0.0)
    hit = max(fault.at, stretch.entry.at, _last_sight(stretch, history))
    kinds = _BLINDING if stretch.running else (*_BLINDING, *_HIDING)
    blinding = [
        other
        for other in history.faults
        if other.kind in kinds and other.at <= stretch.until and other.until + NEWS_SECONDS >= hit
    ]
    since = max([hit, *(min(other.until, stretch.until) for other in blinding)])
    overlapped = any(other is not fault for other in blinding)
    return TakenBack(stretch, fault, stretch.until - since, overlapped, stretch.until - hit)


def _recorded(history: History, execution: Execution, stretch: Stretch) -> bool:
    assert stretch.next is not None or stretch.running
    fact = stretch.next.fact if stretch.next else None
    if fact in COMPLETIONS:
        return history.jobs[execution.job].runs.get(execution.step) == execution.run
    return fact in _FAILURES and execution.how == FAILED


def _next_loss(history: History, execution: Execution) -> float:
    """When a job was taken back whose claim is not in the event log: PostgreSQL forgot it in a crash."""
    later = (
        e.at for e in history.event_log.get(execution.job, ()) if e.at > execution.begin and e.fact in _LOSSES
    )
    return min(later, default=float("inf"))


def _cause(execution: Execution, claimed_at: float, until: float, faults: Iterable[Fault]) -> Fault | None:
    """The fault that kept an execution from being recorded: one of its own process before one of all.

    A step may begin some time after its worker was stopped: what was lost then is the claim that it has.
    """
    begin = execution.begin - SLACK
    claimed = min(begin, claimed_at - SLACK)
    own = [f for f in faults if _concerns(f, execution) and f.at <= until and f.until >= claimed]
    if own:
        return own[0]
    end = until if execution.end is None else execution.end
    for fault in faults:
        if fault.kind in _OF_ALL and fault.at <= end + SLACK and fault.until >= begin:
            return fault
    return None


def _concerns(fault: Fault, execution: Execution) -> bool:
    if fault.kind == "childKilled":
        return execution.pid in fault.pids
    return fault.kind in _OF_WORKERS and fault.worker == execution.parent


def _loss(stretch: Stretch, history: History) -> Fault | None:
    """The first fault that a loss can have come of."""
    assert stretch.next is not None
    since = max(stretch.entry.at - SLACK, _last_sight(stretch, history))
    pid = _pid(stretch.entry.who) if stretch.running else None
    met = [fault for fault in history.faults if fault.at <= stretch.until and fault.until >= since]
    if stretch.next.reason == "the worker's process died":
        kinds: Sequence[str] = ("childKilled",)
    elif stretch.next.reason == "its worker does not have it":
        # What a child has died of may be found before its worker can tell of it.
        kinds = (*_OF_WORKERS, "childKilled")
    elif stretch.running:
        kinds = _OF_WORKERS
    else:
        kinds = _MESSAGE_LOSSES
    for fault in met:
        if fault.kind in kinds and (pid is None or fault.worker == pid):
            return fault
    return next((fault for fault in met if fault.kind in _OF_ALL), None)


def _last_sight(stretch: Stretch, history: History) -> float:
    """When the message of a step was last seen to stand in Redis: it was not lost before."""
    return history.sighted.get(str(Ticket(stretch.job, stretch.entry.attempt, stretch.step)), 0.0)


def _pid(worker: str | None) -> int | None:
    """The pid in a worker's id, which is its name, its pid and a token."""
    _, _, rest = (worker or "").partition("/")
    pid = rest.partition("/")[0]
    return int(pid) if pid.isdigit() else None
