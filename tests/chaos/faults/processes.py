"""Faults of our own processes: killed, or stopped for longer than they may be silent."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import suppress
from functools import partial

import psutil

from tests.chaos.faults.passing import Strike, alone, between, passing
from tests.chaos.floor import Floor, Hand
from tests.chaos.history import Fault
from tests.chaos.plan import Planned

#: A leader is struck when it has led for this long, in seconds: nobody could do anything otherwise.
LEAD_SECONDS = {"act": 8.0, "pager": 3.0}
#: A process is stopped this long, in seconds, from and to: past the heartbeats of a worker, which count for
#: six, and past the lease of a leader.
STOP_SECONDS = (8.0, 12.0)


def _kill_worker(floor: Floor, planned: Planned) -> Strike:
    hand = yield from _victim(floor, planned)
    at = time.time()
    hand.kill()
    yield from passing(2.5)  # until its successor works
    return Fault(planned.kind, at, at, hand.process.pid, (hand.process.pid,))


def _kill_child(floor: Floor, planned: Planned) -> Strike:
    hand, children = yield from _parent(floor, planned)
    child = children[int(planned.turn * len(children))]
    at = time.time()
    with suppress(psutil.NoSuchProcess):
        child.kill()
    yield from passing(0.3)
    return Fault(planned.kind, at, at, hand.process.pid, (child.pid,))


def _kill_leader(floor: Floor, planned: Planned, daemon: str) -> Strike:
    hand = yield from _leader(floor, daemon)
    at = time.time()
    hand.kill()
    until = yield from _succession(floor, daemon, at)
    return Fault(planned.kind, at, until, None, (hand.process.pid,))


def _stop_leader(floor: Floor, planned: Planned, daemon: str) -> Strike:
    """It hangs in the middle of whatever it does, and goes on when another has led for a while."""
    hand = yield from _leader(floor, daemon)
    at = time.time()
    hand.stopped = True
    hand.known.suspend()
    until: float | None = None
    try:
        for _ in passing(between(*STOP_SECONDS, planned.turn)):
            # Who leads then may be struck before this is over.
            until = until or _successor(floor, daemon, at)
            yield
    finally:
        with suppress(psutil.NoSuchProcess):
            hand.known.resume()
    hand.stopped = False
    until = until or (yield from _succession(floor, daemon, at))
    return Fault(planned.kind, at, until, None, (hand.process.pid,))


def _leader(floor: Floor, daemon: str) -> Generator[None, None, Hand]:
    """The process that leads, once it has led for a while."""
    while True:
        leader = floor.leader(daemon)
        if leader is not None and time.time() - leader[1] >= LEAD_SECONDS[daemon] and not leader[0].stopped:
            return leader[0]
        yield


def _succession(floor: Floor, daemon: str, at: float) -> Generator[None, None, float]:
    """When another has taken the lead, after this time."""
    while (until := _successor(floor, daemon, at)) is None:
        yield
    return until


def _successor(floor: Floor, daemon: str, at: float) -> float | None:
    leader = floor.leader(daemon)
    return leader[1] if leader is not None and leader[1] >= at else None


def _stop_worker(floor: Floor, planned: Planned) -> Strike:
    hand = yield from _victim(floor, planned)
    hand.stopped = True
    at = time.time()
    hand.known.suspend()
    processes = [hand.known, *hand.known.children()]
    for process in processes[1:]:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    yield from passing(between(*STOP_SECONDS, planned.turn))
    for process in reversed(processes):
        with suppress(psutil.NoSuchProcess):
            process.resume()
    until = time.time()
    hand.stopped = False
    return Fault(planned.kind, at, until, hand.process.pid, tuple(process.pid for process in processes))


def _victim(floor: Floor, planned: Planned) -> Generator[None, None, Hand]:
    while not (workers := floor.grown_workers()):
        yield
    return workers[int(planned.die * len(workers))]


def _parent(floor: Floor, planned: Planned) -> Generator[None, None, tuple[Hand, list[psutil.Process]]]:
    """A prefork worker, and the children of its pool."""
    while True:
        pools = [
            (worker, worker.known.children()) for worker in floor.grown_workers() if "prefork" in worker.role
        ]
        # Celery takes a pool that loses a child before the first task for one that cannot start at all.
        pools = [(worker, children) for worker, children in pools if any(map(floor.has_worked, children))]
        if pools:
            return pools[int(planned.die * len(pools))]
        yield


def _one_at_a_time(daemon: str) -> Callable[[Floor, Planned], Strike]:
    """Stop leaders of a daemon one after the other: nobody can lead while all are stopped."""
    return lambda floor, planned: alone(floor, daemon, _stop_leader(floor, planned, daemon))


STRIKES: Mapping[str, Callable[[Floor, Planned], Strike]] = {
    "workerKilled": _kill_worker,
    "childKilled": _kill_child,
    "workerStopped": _stop_worker,
    "dispatcherKilled": partial(_kill_leader, daemon="act"),
    "dispatcherStopped": _one_at_a_time("act"),
    "watchKilled": partial(_kill_leader, daemon="pager"),
    "watchStopped": _one_at_a_time("pager"),
}
