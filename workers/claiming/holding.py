"""The steps that a worker process holds: taken from Redis, claimed, or running."""

from __future__ import annotations

from typing import Any

from celery.worker import state

from hms_oms.jobs.tickets import Ticket
from workers import limits


def slots(consumer: Any) -> int:
    """How many steps the worker runs at a time."""
    return int(consumer.pool.num_processes) if consumer.pool else 1


def requests() -> list[Any]:
    """The requests of all steps that the worker holds."""
    return [*_read(state.reserved_requests), *_read(state.active_requests)]


def held() -> list[str]:
    """The tickets in this process: prefetched, waiting for a slot, or running."""
    return sorted({request.id for request in requests() if ticket(request.id) is not None})


def begun() -> list[Ticket]:
    """The tickets of steps that run, in this process or its pool's children."""
    running = (ticket(request.id) for request in _read(state.active_requests))
    return sorted({*filter(None, running), *limits.begun()}, key=str)


def waiting() -> set[Ticket]:
    """The tickets in this process whose steps have not begun."""
    return {Ticket.parse(ticket) for ticket in held()}.difference(begun())


def _read(requests: Any) -> list[Any]:
    while True:
        try:
            return list(requests)
        except RuntimeError:  # the set changed while it was read
            continue


def ticket(text: str) -> Ticket | None:
    """The ticket that a request's id is, if it is one."""
    try:
        return Ticket.parse(text)
    except ValueError:
        return None
