"""Classify why Redis and PostgreSQL refuse, and put it in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import psycopg2
import redis

from hms_oms.database import connections

#: The kind of a server that says nothing, or cannot be reached.
AWAY = "away"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a server does not do its work: a `kind` for programs, and words that follow the server's name."""

    kind: str
    words: str


SILENT = Refusal(AWAY, "does not answer")
#: The kinds of a Redis that refuses writes, and shows all that stands in it.
READABLE = frozenset({"out-of-memory", "no-space", "no-replicas"})

_READ_ONLY = "is read-only: it is a replica, or was turned into one"
#: What Redis begins its errors with.
_REDIS: Mapping[str, Refusal] = {
    "OOM": Refusal("out-of-memory", "is out of memory and refuses writes (maxmemory)"),
    "READONLY": Refusal("read-only", _READ_ONLY),
    "MISCONF": Refusal("no-space", "refuses writes: it cannot save to its disk (MISCONF)"),
    "LOADING": Refusal("loading", "is still loading its data"),
    "MASTERDOWN": Refusal("read-only", "is a replica that has lost its master"),
    "NOREPLICAS": Refusal("no-replicas", "refuses writes: too few replicas follow it (NOREPLICAS)"),
    "NOAUTH": Refusal("not-allowed", "wants a password"),
    "WRONGPASS": Refusal("not-allowed", "does not accept the user or password"),
    "NOPERM": Refusal("not-allowed", "does not allow its user what the programs need (docs/servers.md)"),
    "BUSY": Refusal("busy", "is busy with a script that does not end"),
}
#: The same, as the driver's classes: they drop the word.
_REDIS_CLASSES: Mapping[type[Exception], str] = {
    redis.exceptions.OutOfMemoryError: "OOM",
    redis.ReadOnlyError: "READONLY",
    redis.BusyLoadingError: "LOADING",
    redis.exceptions.MasterDownError: "MASTERDOWN",
    redis.exceptions.NoPermissionError: "NOPERM",
    redis.AuthenticationError: "WRONGPASS",
}
#: States of PostgreSQL that let nobody write, whatever the statement.
_POSTGRESQL: Mapping[str, Refusal] = {
    "53100": Refusal("no-space", "cannot write: its disk is full"),
    "53200": Refusal("out-of-memory", "is out of memory"),
    "53300": Refusal("too-many-connections", "has no connection left (max_connections)"),
    "58030": Refusal("broken-disk", "cannot read or write its disk"),
    "25006": Refusal("read-only", _READ_ONLY.replace("it is", "it is set so, or it is")),
    "57014": Refusal("slow", "answers, but too slowly: a statement was ended by its time limit"),
    "57P03": Refusal("starting", "is starting up or recovering, and lets nobody in yet"),
}
#: Who is not let in gets the words alone, without the state.
_AT_THE_DOOR: Mapping[str, str] = {
    "recovery": "57P03",
    "the database system is starting up": "57P03",
    "too many clients": "53300",
    "connection slots are reserved": "53300",
}


def of_redis(error: BaseException) -> Refusal:
    """Why Redis did not do what it was asked."""
    for kind, word in _REDIS_CLASSES.items():
        if isinstance(error, kind):
            return _REDIS[word]
    # Of what the driver has no class for, the word is still there.
    begun = re.match(r"[A-Z]+", str(error))
    if begun and begun[0] in _REDIS:
        return _REDIS[begun[0]]
    if isinstance(error, redis.ResponseError):
        return Refusal("refused", "refuses writes")
    return SILENT


def of_postgresql(error: BaseException) -> Refusal | None:
    """Why PostgreSQL cannot do anybody's work now; None if the error is about one statement only."""
    cause = getattr(error, "orig", None) or error
    if not isinstance(cause, psycopg2.Error):
        return None
    if cause.pgcode is not None and cause.pgcode in _POSTGRESQL:
        return _POSTGRESQL[cause.pgcode]
    if cause.pgcode is None:
        state = next((state for words, state in _AT_THE_DOOR.items() if words in str(cause)), None)
        if state is not None:
            return _POSTGRESQL[state]
    return SILENT if connections.is_gone(cause) else None
