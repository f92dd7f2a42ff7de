"""Problem documents (RFC 9457): every error names its field, and no stack trace leaves the process."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import psycopg2
import psycopg2.errors as sql
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from hms_act.files.csv_rows import UnreadableFile
from hms_act.files.majority import MostRefused
from hms_floor.auth import tokens
from hms_oms.cycles.cycles import UnknownCycle
from hms_oms.cycles.uploads import TooManyUploads, UnknownUpload
from hms_oms.database.refusals import SILENT, of_postgresql
from hms_oms.jobs.reservations import LeaseLost
from hms_oms.recipes.payload_equality import ABSENT
from hms_oms.runtime.errors import (
    HmsError,
    KeyReused,
    KeyTooLong,
    RequestRejected,
    SlaNeverOver,
    UnknownJob,
    UnknownJobType,
    UnknownQueue,
    UnknownSchema,
)
from hms_oms.schedules.records import InRecipe, NotWaiting, ScheduleExists, UnknownSchedule
from hms_oms.undo.changes import UnknownChange
from hms_oms.undo.undo import NotUndoable, NotYours
from hms_ops.incidents.actions import UnknownIncident
from hms_ops.incidents.silences import BadSilence, UnknownSilence
from hms_ops.incidents.thresholds import UnknownParameter, UnknownRule
from hms_ops.oncall.oncall import DocumentRejected
from hms_ops.webhooks.addresses import BadAddress
from hms_ops.webhooks.outbox import UnknownDelivery
from hms_ops.webhooks.signing import NoEventsKey
from hms_ops.webhooks.store import BadWebhook, UnknownWebhook

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
#: The field and the reason of one fault.
Fault = tuple[str, str]
#: So many faults are told one by one.
MOST_FAULTS = 100
_UNKNOWN = (
    UnknownChange,
    UnknownJob,
    UnknownQueue,
    UnknownCycle,
    UnknownIncident,
    UnknownSilence,
    UnknownRule,
    UnknownParameter,
    UnknownUpload,
    UnknownWebhook,
    UnknownDelivery,
    UnknownSchedule,
)
#: Client closed the request: nobody hears the answer, but the audit trail shows it.
GONE = 499


class Problem(HTTPException):
    """An answer that is no success: a sentence, and the fields that are to blame."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.faults = tuple(faults)

    def document(self) -> dict[str, Any]:
        """The body of the answer."""
        document: dict[str, Any] = {
            "type": "about:blank",
            "title": _title(self.status_code),
            "status": self.status_code,
            "detail": self.detail,
        }
        if self.faults:
            document["errors"] = [{"field": field, "reason": reason} for field, reason in self.faults]
        return document

    def response(self) -> Response:
        """The answer itself."""
        body = json.dumps(self.document(), ensure_ascii=True).encode()
        return Response(body, self.status_code, self.headers, MEDIA_TYPE)


def unprocessable(*faults: Fault) -> Problem:
    """Fields that are readable and wrong."""
    if len(faults) == 1:
        return Problem(422, f"{faults[0][0]}: {faults[0][1]}", faults=faults)
    return Problem(422, f"{len(faults)} fields are wrong", faults=faults)


def busy(detail: str, seconds: int = 1) -> Problem:
    """Something that may work when it is tried again later."""
    return Problem(503, detail, headers={"Retry-After": str(seconds)})


def of(error: Exception) -> Problem:
    """The problem that an error is for the caller; what nobody expected is logged and told as a 500."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return _of_fields(error)
    if isinstance(error, HTTPException):
        return Problem(error.status_code, _detail(error), headers=error.headers)
    if isinstance(error, ClientDisconnect):
        return Problem(GONE, "the caller has gone")
    problem = _of_ours(error) if isinstance(error, HmsError) else _of_database(error)
    if problem is not None:
        return problem
    log.error("a request failed: %s", _told(error))
    return Problem(500, "something went wrong here; the log of the server has the reason")


def _of_fields(error: RequestValidationError) -> Problem:
    faults = []
    for fault in error.errors()[:MOST_FAULTS]:
        place = [str(part) for part in fault["loc"]]
        if fault["type"] == "json_invalid":
            return Problem(400, f"the body is not JSON: {fault.get('ctx', {}).get('error', 'unreadable')}")
        field = ".".join(place[1:]) or place[0]
        faults.append((field, str(fault["msg"]).removeprefix("Value error, ")))
    return unprocessable(*dict.fromkeys(faults))


def _of_ours(error: HmsError) -> Problem | None:
    detail = str(error)
    if isinstance(error, _UNKNOWN):
        return Problem(404, detail)
    if isinstance(error, DocumentRejected):
        return unprocessable(*((f"document.{field}", reason) for field, reason in error.faults))
    if isinstance(error, KeyTooLong | SlaNeverOver):
        return unprocessable(*error.faults)
    if isinstance(error, RequestRejected):
        fields = [
            (field if field == "payload" else f"payload.{field}", reason) for field, reason in error.faults
        ]
        return unprocessable(*fields)
    if isinstance(error, KeyReused):
        return Problem(409, detail, faults=list(_of_differences(error)))
    if isinstance(error, UnknownJobType):
        return unprocessable(("jobType", detail))
    if isinstance(error, BadAddress):
        return unprocessable(("url", detail))
    if isinstance(error, UnreadableFile):
        return unprocessable(*(("file", fault) for fault in error.faults))
    if isinstance(error, MostRefused):
        return Problem(409, detail, faults=[("file", error.example)])
    if isinstance(error, NotYours):
        return Problem(403, detail)
    if isinstance(error, LeaseLost | tokens.NoKey | BadSilence | BadWebhook | NoEventsKey | NotUndoable):
        return Problem(409, detail)
    if isinstance(error, ScheduleExists | InRecipe | NotWaiting):
        return Problem(409, detail)
    if isinstance(error, UnknownSchema | TooManyUploads):
        return busy(detail, 30)
    return None


def _of_differences(error: KeyReused) -> Iterator[Fault]:
    for field, (known, sent) in error.differences.items():
        yield f"payload.{field}", f"is {_quoted(known)} in {error.job}, and {_quoted(sent)} here"


def _quoted(value: Any) -> str:
    text = value if value == ABSENT else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _of_database(error: Exception) -> Problem | None:
    cause = _cause(error)
    if isinstance(error, PoolTimeout):
        return busy("the database is busy: no connection was free in time")
    if isinstance(cause, sql.QueryCanceled):
        return busy("this took too long and was ended: narrow it down")
    if isinstance(cause, sql.SerializationFailure | sql.DeadlockDetected):
        return busy("somebody else changed the same at the same time: try again")
    if isinstance(cause, sql.UndefinedTable | sql.UndefinedColumn | sql.UndefinedFunction):
        log.error("the database is not at the revision that this version needs: %s", _told(error))
        return busy("the database is not at the revision that this version needs: run `hms db migrate`", 30)
    if isinstance(cause, psycopg2.DataError):
        return Problem(422, "a value is none that the ledger can keep")
    refusal = of_postgresql(error)
    if refusal is None:
        return None
    log.warning("PostgreSQL %s (%s)", refusal.words, type(cause).__name__)
    if refusal == SILENT:
        return busy("the database does not answer", 5)
    return busy(f"PostgreSQL {refusal.words}; nothing was changed", 5)


def hits_all(error: Exception) -> bool:
    """Whether any other request would have failed as well: the ledger is away, busy, or held by somebody."""
    cause = _cause(error)
    if isinstance(cause, sql.SerializationFailure | sql.DeadlockDetected | sql.QueryCanceled):
        return False
    return isinstance(error, PoolTimeout) or of_postgresql(cause) is not None


def _cause(error: Exception) -> BaseException:
    return (error.orig if isinstance(error, DBAPIError) else error) or error


def _told(error: Exception) -> str:
    """An error for the log: where it came from and of what kind, without any value that it quotes."""
    cause, where = _cause(error), "".join(traceback.format_tb(error.__traceback__))
    if isinstance(error, ResponseValidationError):
        faults = [(fault["loc"], fault["type"]) for fault in error.errors()[:MOST_FAULTS]]
        return f"the answer does not fit its document: {faults}"
    if isinstance(cause, psycopg2.Error):
        # Behind its first line, the database quotes rows.
        return f"{type(cause).__name__}: {cause.diag.message_primary}\n{where}"
    return f"{type(error).__name__}: {error}\n{where}"


def _detail(error: HTTPException) -> str:
    words = {404: "there is nothing at this address", 405: "this address does not know that method"}
    return words.get(error.status_code, str(error.detail))


def _title(status: int) -> str:
    return "Client Closed Request" if status == GONE else HTTPStatus(status).phrase
