"""Reservations of agents."""

from __future__ import annotations

from hms_floor.api.responses import Answer, Json, Moment


class Reservation(Answer):
    """A job that an agent has to itself until `leaseUntil`."""

    reservation_id: str
    job_id: str
    queue: str
    type: str
    step: str
    attempt: int
    status: str
    payload: Json
    results: Json
    sla_expires: Moment
    lease_until: Moment


class Extended(Answer):
    """Until when a reservation holds now."""

    reservation_id: str
    lease_until: Moment


class Reported(Answer):
    """The status of the job after the report."""

    reservation_id: str
    job_id: str
    status: str
