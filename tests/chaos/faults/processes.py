"""The faults, each a generator: it strikes, yields while it waits, and returns what it has done.

The storm goes round all that are under way, so that they overlap.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress

import psutil
import redis

from tests.chaos.floor import WATCH, Floor, Hand
from tests.chaos.history import Fault
from tests.chaos.plan import Planned

Strike = Generator[None, None, Fault]

#: A leader is killed when it has led for this long, in seconds: nobody could do anything otherwise.
LEAD_SECONDS = 8.0
#: After a restart of PostgreSQL the system may breathe this long before anything takes its place, in seconds.
BREATH_SECONDS = 5.0
#: A worker is stopped this long, in seconds, from and to: past its beats, which count for six.
STOP_SECONDS = (8.0, 12.0)

#: Before Redis loses its data there should be some: it is waited for this long at most, in seconds.
FULL_SECONDS = 3.0


def strike(floor: Floor, planned: Planned) -> Strike:
    """The fault that was planned."""
    return _STRIKES[planned.kind](floor, planned)


def _kill_worker(floor: Floor, planned: Planned) -> Strike:
    hand = yield from _victim(floor, planned)
    at = time.time()
    hand.kill()
    yield from _passing(2.5)  # until its successor works
    return Fault(planned.kind, at, at, hand.process.pid, (hand.process.pid,))


def _kill_child(floor: Floor, planned: Planned) -> Strike:
    hand, children = yield from _parent(floor, planned)
    child = children[int(planned.turn * len(children))]
    at = time.time()
    with suppress(psutil.NoSuchProcess):
        child.kill()
    yield from _passing(0.3)
    return Fault(planned.kind, at, at, hand.process.pid, (child.pid,))


def _kill_dispatcher(floor: Floor, planned: Planned) -> Strike:
    while (leader := floor.leader()) is None or time.time() - leader[1] < LEAD_SECONDS:
        yield
    at = time.time()
    leader[0].kill()
    while (successor := floor.leader()) is None or successor[1] < at:
        yield
    return Fault(planned.kind, at, max(at, successor[1]), None, (leader[0].process.pid,))


def _kill_watch(floor: Floor, planned: Planned) -> Strike:
    while not (watch := floor.programs[WATCH]).lives:
        yield
    at = time.time()
    watch.kill()
    yield from _passing(2.5)  # until its successor works
    return Fault(planned.kind, at, at, None, (watch.process.pid,))


def _restart_redis(floor: Floor, planned: Planned) -> Strike:
    yield from _messages(floor)
    server = floor.servers["redis"].process
    at = time.time()
    server.kill()
    server.wait()
    yield from _passing(1.5 * planned.turn)
    floor.renew("redis")
    while not floor.answers("redis"):
        yield
    return Fault(planned.kind, at, time.time(), None, (server.pid,))


def _flush(floor: Floor, planned: Planned) -> Strike:
    yield from _messages(floor)
    while True:
        at = time.time()
        try:
            floor.redis.flushall()
        except redis.RedisError:
            yield
        else:
            return Fault(planned.kind, at, at, None, ())


def _restart_postgres(floor: Floor, planned: Planned) -> Strike:
    server = floor.servers["postgres"].process
    at = time.time()
    # Fast: sessions are cut, a checkpoint is made. Immediate: all drop dead, and recover at the next start.
    server.send_signal(signal.SIGINT if planned.die < 0.5 else signal.SIGQUIT)
    while server.poll() is None:
        yield
    yield from _passing(0.2 + 1.8 * planned.turn)
    floor.renew("postgres")
    while not floor.answers("postgres"):
        yield
    until = time.time()
    yield from _passing(BREATH_SECONDS)
    return Fault(planned.kind, at, until, None, (server.pid,))


def _stop_worker(floor: Floor, planned: Planned) -> Strike:
    hand = yield from _victim(floor, planned)
    shortest, longest = STOP_SECONDS
    hand.stopped = True
    at = time.time()
    hand.known.suspend()
    processes = [hand.known, *hand.known.children()]
    for process in processes[1:]:
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    yield from _passing(shortest + (longest - shortest) * planned.turn)
    for process in reversed(processes):
        with suppress(psutil.NoSuchProcess):
            process.resume()
    until = time.time()
    hand.stopped = False
    return Fault(planned.kind, at, until, hand.process.pid, tuple(process.pid for process in processes))


def _messages(floor: Floor) -> Iterator[None]:
    """Wait a while for messages to stand in Redis: an empty one has nothing to lose."""
    for _ in _passing(FULL_SECONDS):
        if floor.sight():
            return
        yield


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


def _passing(seconds: float) -> Iterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield


_STRIKES: dict[str, Callable[[Floor, Planned], Strike]] = {
    "workerKilled": _kill_worker,
    "childKilled": _kill_child,
    "dispatcherKilled": _kill_dispatcher,
    "watchKilled": _kill_watch,
    "redisRestarted": _restart_redis,
    "flushed": _flush,
    "postgresRestarted": _restart_postgres,
    "workerStopped": _stop_worker,
}
