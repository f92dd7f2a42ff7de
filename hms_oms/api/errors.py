"""Errors of the API clients, named for the HTTP status that each stands for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hms_oms.runtime.errors import HmsError


class ApiError(HmsError):
    """What was asked of the API was not done; `status` is the HTTP status, 0 where no answer came."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        self.status = status
        super().__init__(message)


class Unauthorized(ApiError):
    """There is no badge, or the API does not take it: it is over, taken back or for another API."""


class Forbidden(ApiError):
    """The badge does not allow this: not its roles, or not its queues."""


class NotFound(ApiError):
    """There is no such job, queue, cycle, incident or badge."""


class Conflict(ApiError):
    """The thing is not in a state for this: the job has ended, the reservation does not hold any more.

    `faults` maps each field in which a request differs from the job that has its key to both values.
    """

    def __init__(self, message: str, *, status: int = 0, faults: tuple[tuple[str, str], ...] = ()) -> None:
        self.faults = faults
        super().__init__(message, status=status)


class InvalidRequest(ApiError):
    """What was asked for cannot be asked for so; `faults` maps each field to a reason."""

    def __init__(self, message: str, *, status: int = 0, faults: tuple[tuple[str, str], ...] = ()) -> None:
        self.faults = faults
        summary = "; ".join(f"{field}: {reason}" for field, reason in faults)
        super().__init__(summary or message, status=status)


class TooManyRequests(ApiError):
    """The badge asks too often; `retry_after` is how many seconds the API wants to be left alone."""

    def __init__(self, message: str, *, status: int = 0, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message, status=status)


class Unavailable(ApiError):
    """The API cannot be reached or cannot do it now.

    With `maybe_done` the request was sent and the answer is lost: it may have been carried out.
    """

    def __init__(self, message: str, *, status: int = 0, maybe_done: bool = False) -> None:
        self.maybe_done = maybe_done
        super().__init__(message, status=status)


_BY_STATUS: Mapping[int, type[ApiError]] = {401: Unauthorized, 403: Forbidden, 404: NotFound}


def of(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The error that an answer stands for, from its problem document where it has one."""
    document = _document(headers, body)
    message = str(document.get("detail") or document.get("title") or f"the API answered {status}")
    if status == 429:
        return TooManyRequests(message, status=status, retry_after=retry_after(headers))
    if status >= 500 or status < 400:
        return Unavailable(message, status=status, maybe_done=status >= 500)
    if status == 409:
        return Conflict(message, status=status, faults=_faults(document))
    kind = _BY_STATUS.get(status)
    if kind is not None:
        return kind(message, status=status)
    return InvalidRequest(message, status=status, faults=_faults(document))


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that a Retry-After header names; None where it names none."""
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _document(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    if not headers.get("content-type", "").startswith("application/problem+json"):
        return {}
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _faults(document: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    listed = document.get("errors")
    if not isinstance(listed, list):
        return ()
    return tuple(
        (str(item.get("field", "")), str(item.get("reason", ""))) for item in listed if isinstance(item, dict)
    )
