"""Heartbeats of the programs that must keep running; the writer of ops.beats."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from hms_oms.broker.broker_state import BrokerState
from hms_ops.documents.calling import Pulse

#: The programs that must beat: the watch, and the delivery of texts.
NAMES = ("ops", "pager")
#: From which age on, in seconds, a beat is stale: several turns of a daemon that is well.
STALE_SECONDS = 10.0


def beat(connection: Connection, name: str, detail: Mapping[str, Any]) -> None:
    """Say that the program `name` is there; `detail` is shown with its beat and holds JSON values."""
    connection.execute(
        text(
            "insert into ops.beats (name, at, detail) values (:name, oms.now(), cast(:detail as jsonb))"
            " on conflict (name) do update set at = excluded.at, detail = excluded.detail"
        ),
        {"name": name, "detail": json.dumps(detail)},
    )


def sender_is_local(connection: Connection) -> bool:
    """Whether texts stay on the watch's machine, as it says; so it is taken to be before it was heard."""
    said = connection.scalar(text("select detail -> 'sender_is_local' from ops.beats where name = 'ops'"))
    return said is not False


def channels(connection: Connection) -> Sequence[str] | None:
    """The names of the channels that the pager has, as it says; None before it was heard."""
    names = connection.scalar(text("select detail -> 'channels' from ops.beats where name = 'pager'"))
    return None if names is None else [str(name) for name in names]


def status(connection: Connection) -> Sequence[Pulse]:
    """The pulse of every program that must beat or has beaten, by name."""
    rows = connection.execute(
        text(
            "select name, at, extract(epoch from oms.now() - at)::float8 as age_seconds,"
            " coalesce(detail, '{}') as detail"
            " from unnest(cast(:names as text[])) as due (name) full join ops.beats using (name)"
            " order by name"
        ),
        {"names": list(NAMES)},
    )
    return [Pulse(**row, stale=_is_stale(row["age_seconds"])) for row in rows.mappings()]


def stop_of(reported: BrokerState | None) -> dict[str, Any]:
    """Why nothing is handed out, as a queue's standing has it, by the dispatcher's last report."""
    if reported is None:
        return {}
    undispatched = reported.age > STALE_SECONDS
    refusal = None if undispatched else reported.refusal
    return {"undispatched": undispatched, "refused": refusal and refusal.words}


def _is_stale(age: float | None) -> bool:
    """Whether a program whose heartbeat is so old must be taken for stopped.

    A heartbeat of a later time is from before the clock was set back: one that lives is heard again at once.
    """
    return age is None or abs(age) > STALE_SECONDS
