"""Faults of Redis: gone, hung, emptied, out of memory, or a replica that nobody may write to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import psutil
import redis

from tests.chaos.faults.passing import Strike, alone, between, passing
from tests.chaos.floor import Floor
from tests.chaos.history import Fault
from tests.chaos.plan import Planned

#: Before Redis loses its data there should be some: it is waited for this long at most, in seconds.
FULL_SECONDS = 3.0
#: How long Redis takes nothing, or says nothing; in seconds, from and to.
REFUSING_SECONDS = (2.0, 6.0)
HUNG_SECONDS = (2.0, 8.0)
#: Another server, which is not there: who follows it is a replica of nothing.
_NOBODY = ("127.0.0.1", 9)


def _restart(floor: Floor, planned: Planned) -> Strike:
    yield from messages(floor)
    server = floor.servers["redis"].process
    at = time.time()
    server.kill()
    server.wait()
    yield from passing(1.5 * planned.turn)
    floor.renew("redis")
    while not floor.answers("redis"):
        yield
    return Fault(planned.kind, at, time.time(), None, (server.pid,))


def _flush(floor: Floor, planned: Planned) -> Strike:
    yield from messages(floor)
    yield from _told(floor, floor.redis.flushall)
    at = time.time()
    return Fault(planned.kind, at, at, None, ())


def _stop(floor: Floor, planned: Planned) -> Strike:
    """It accepts connections and answers nothing."""
    server = psutil.Process(floor.servers["redis"].process.pid)
    at = time.time()
    floor.redis_hangs = True
    server.suspend()
    try:
        yield from passing(between(*HUNG_SECONDS, planned.turn))
    finally:
        server.resume()
        floor.redis_hangs = False
    return Fault(planned.kind, at, time.time(), None, (server.pid,))


def _fill(floor: Floor, planned: Planned) -> Strike:
    """There is no memory left, and nothing is thrown away to make room: writes are refused."""
    return (yield from _refusing(floor, planned, _limit(floor, 1), _limit(floor, 0)))


def _degrade(floor: Floor, planned: Planned) -> Strike:
    """It follows another server, and refuses writes, as after a failover that the programs do not know of."""
    follow = partial(floor.redis.replicaof, *_NOBODY)
    return (yield from _refusing(floor, planned, follow, partial(floor.redis.replicaof, "NO", "ONE")))


def _refusing(
    floor: Floor, planned: Planned, begin: Callable[[], object], end: Callable[[], object]
) -> Strike:
    yield from _told(floor, begin)
    at = time.time()
    yield from passing(between(*REFUSING_SECONDS, planned.turn))
    yield from _told(floor, end)
    return Fault(planned.kind, at, time.time(), None, ())


def _limit(floor: Floor, memory: int) -> Callable[[], object]:
    return lambda: floor.redis.config_set("maxmemory", memory)


def _told(floor: Floor, order: Callable[[], object]) -> Iterator[None]:
    """Have Redis do it as soon as it answers."""
    while True:
        try:
            order()
        except redis.RedisError:
            yield
        else:
            return


def messages(floor: Floor) -> Iterator[None]:
    """Wait a while for messages to stand in Redis: an empty one has nothing to lose."""
    for _ in passing(FULL_SECONDS):
        if floor.sight():
            return
        yield


def _alone(strike: Callable[[Floor, Planned], Strike]) -> Callable[[Floor, Planned], Strike]:
    return lambda floor, planned: alone(floor, "redis", strike(floor, planned))


STRIKES: Mapping[str, Callable[[Floor, Planned], Strike]] = {
    "redisRestarted": _alone(_restart),
    "redisStopped": _alone(_stop),
    "redisFull": _alone(_fill),
    "redisReadOnly": _alone(_degrade),
    "flushed": _alone(_flush),
}
