"""Time limits in pools that cannot end a step: an exception in its thread first, then a new process.

A pool of processes kills the one that runs over. A thread cannot be killed, and a second run must not begin
beside the first: a step that does not even end by an exception is reported as failed when its process ends.
"""

from __future__ import annotations

import ctypes
import math
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hms_oms.jobs.tickets import Ticket

#: A step that goes on this long after the exception was raised in its thread does not heed it, in seconds.
HEED_SECONDS = 5.0


class TimeLimitExceeded(Exception):
    """The step ran past its time limit, or its job was cancelled while it ran."""


class HeartbeatTimeout(TimeLimitExceeded):
    """The step was silent for longer than the `heartbeat` of its recipe."""


@dataclass
class _Run:
    ticket: Ticket
    thread: int
    limit: float
    until: float
    heartbeat: float
    silent_at: float
    raised_at: float | None = None

    def breach(self, now: float, given_up: frozenset[Ticket]) -> type[Exception] | None:
        """The reason why the step is to end now, if there is one."""
        if now >= self.until or self.ticket in given_up:
            return TimeLimitExceeded
        return HeartbeatTimeout if now >= self.silent_at else None


_lock = threading.Lock()
_runs: dict[Ticket, _Run] = {}


def _forget() -> None:
    """Begin afresh in a pool's child: the thread that may have held the lock is in its parent."""
    global _lock
    _lock = threading.Lock()
    _runs.clear()


os.register_at_fork(after_in_child=_forget)


@contextmanager
def limited(ticket: Ticket, limit: float, heartbeat: float = math.inf) -> Iterator[None]:
    """Have this thread's step end with TimeLimitExceeded after `limit` seconds, if `enforce` is called.

    With HeartbeatTimeout it ends once `renew` was not called for `heartbeat` seconds.
    """
    now = time.monotonic()
    run = _Run(ticket, threading.get_ident(), limit, now + limit, heartbeat, now + heartbeat)
    with _lock:
        _runs[ticket] = run
    try:
        yield
    finally:
        with _lock:
            del _runs[ticket]
            if run.raised_at is not None:
                # It may not have been delivered yet, and must not hit what comes after the step.
                _raise_in(run.thread, None)


def renew(ticket: Ticket) -> None:
    """Note that a step goes on."""
    run = _runs.get(ticket)
    if run is not None:
        run.silent_at = time.monotonic() + run.heartbeat


def begun() -> list[Ticket]:
    """The tickets of the steps that run in this process."""
    with _lock:
        return list(_runs)


def hung() -> int:
    """How many steps go on past their limit, or though the ledger has given them up."""
    with _lock:
        return sum(run.raised_at is not None for run in _runs.values())


def enforce(now: float, given_up: frozenset[Ticket] = frozenset()) -> list[tuple[Ticket, float]]:
    """Raise in the threads of steps that are over their limit, silent, or `given_up` by the ledger.

    Returns the tickets, with their limits, of those that do not heed it.
    """
    deaf = []
    with _lock:
        for run in _runs.values():
            breach = run.breach(now, given_up)
            if run.raised_at is None and breach is not None:
                run.raised_at = now
                _raise_in(run.thread, breach)
            elif run.raised_at is not None and now - run.raised_at > HEED_SECONDS:
                deaf.append((run.ticket, run.limit))
    return deaf


def _raise_in(thread: int, kind: type[Exception] | None) -> None:
    """CPython's way to raise in another thread (None: take a pending exception back)."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread), ctypes.py_object(kind) if kind is not None else None
    )
