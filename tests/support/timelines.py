"""Input series of the watch, played through the real watch, outbox and delivery on a clock moved by hand.

A script says `until` when it is played and how often the watch looks (`every` so many seconds). `series`
holds what is seen from a moment on: fields of `Snapshot` and `QueueSnapshot`, moments as seconds on the
timeline. `do` is what people do and what happens to the watch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from hms_oms.database.connections import RawConnection
from hms_ops.forecast.snapshot import Forecast, HostSnapshot, QueueSnapshot, Snapshot, Waits
from hms_ops.incidents import actions, silences, thresholds
from hms_ops.oncall import oncall
from hms_ops.paging.pager import Delivery
from hms_ops.paging.senders.log import Log
from hms_ops.watch import Watch

#: 10:42 in Chicago, a Monday.
START = datetime(2026, 3, 2, 16, 42, tzinfo=UTC)
#: A queue of which nothing is said.
QUEUE: Mapping[str, Any] = {"sla_minutes": 10.0, "workers": 2, "slots": 4}
PHONES = {"ada": "+12025550143", "grace": "+12025550144"}
ON_CALL: Mapping[str, Any] = {
    "timezone": "America/Chicago",
    "recipients": PHONES,
    "steps": [{"after_minutes": 0, "notify": ["ada"]}, {"after_minutes": 10, "notify": ["grace"]}],
}


class Timeline:
    """One script, being played; it is what the watch looks through."""

    def __init__(self, script: Mapping[str, Any], engine: sa.Engine, raw: RawConnection, log: Path) -> None:
        self.script = script
        self.engine = engine
        self.log = log
        self.second = 0
        self.looked_before: datetime | None = None
        self.watch = self.new_watch()
        self.delivery = Delivery(raw, Log(log))
        self.arrived: list[tuple[int, str, str]] = []

    def new_watch(self) -> Watch:
        """A watch that knows nothing of what was before."""
        self.looked_before = None
        return Watch(self.engine.begin, self, sender_is_local=True, office=ZoneInfo("America/Chicago"))

    @property
    def now(self) -> datetime:
        """The ledger's time."""
        return START + timedelta(seconds=self.second)

    def look(self, connection: sa.Connection, heavy: bool) -> Snapshot:
        """What the series says of this moment."""
        observed = [entry for entry in self.script["series"] if entry["from"] <= self.second][-1]
        looked_before, self.looked_before = self.looked_before, self.now
        return Snapshot(
            now=self.now,
            looked_before=looked_before,
            queues=[
                self._record(QueueSnapshot, {**QUEUE, "name": name, **queue})
                for name, queue in sorted(observed.get("queues", {}).items())
            ],
            hosts=[self._record(HostSnapshot, host) for host in observed.get("hosts", [])],
            unsent=observed.get("unsent", 0),
            unsent_since=self._moment(observed.get("unsent_since")),
            events_at=self._moment(observed.get("events_at")),
        )

    def play(self) -> None:
        """From the first look to the last."""
        with self.engine.begin() as connection:
            queues = {name for entry in self.script["series"] for name in entry.get("queues", {})}
            for queue in sorted(queues):
                connection.execute(sa.text("insert into oms.queues (name) values (:name)"), {"name": queue})
            document = {**ON_CALL, **self.script.get("oncall", {})}
            oncall.set_document(connection, document, "test", None)
        away = False
        every = self.script.get("every", 10)
        for second in range(0, self.script["until"] + 1, every):
            self.second = second
            with self.engine.begin() as connection:
                connection.execute(
                    sa.text("update public.clock set shift = :now - pg_catalog.now()"), {"now": self.now}
                )
            for action in self.script.get("do", []):
                if second - every < action["at"] <= second:
                    away = self._do(action, away)
            if not away:
                self.watch.turn()
            self.delivery.turn()
            self._read_handset()
            self.observed(away)

    def observed(self, away: bool) -> None:
        """Called after each look, whether the watch was away or not."""

    def _do(self, action: Mapping[str, Any], away: bool) -> bool:
        with self.engine.begin() as connection:
            match action:
                case {"acknowledge": reference, "who": who}:
                    limits = thresholds.limits(connection)
                    actions.acknowledge(connection, reference, who, self.now, limits)
                case {"resolve": reference, "who": who}:
                    actions.resolve(connection, reference, who, "done with", self.now)
                case {"silence": queue, "until": until}:
                    ends = START + timedelta(seconds=until)
                    silences.silence(connection, None, queue, self.now, ends, "harvest", "boss")
                case {"rule": rule, "parameter": parameter, "value": value}:
                    queue = action.get("queue")
                    thresholds.set_threshold(connection, rule, parameter, value, queue, "boss", None)
                case {"opt_out": name}:
                    connection.execute(
                        sa.text("insert into oms.opt_outs (phone) values (:phone)"), {"phone": PHONES[name]}
                    )
                case {"watch": "stops"}:
                    away = True
                case {"watch": "starts"}:
                    self.watch = self.new_watch()
                    away = False
                case {"pager": "is another one"}:
                    self.delivery = Delivery(self.delivery.connection, Log(self.log))
                case _:
                    pytest.fail(f"nobody knows how to do {action}")
        return away

    def _read_handset(self) -> None:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        names = {phone: name for name, phone in PHONES.items()}
        for line in lines[len(self.arrived) :]:
            text = json.loads(line)
            self.arrived.append((self.second, names[text["to"]], text["text"]))

    def _record(self, kind: Any, values: Mapping[str, Any]) -> Any:
        return kind(**{name: self._value(name, value) for name, value in values.items()})

    def _value(self, name: str, value: Any) -> Any:
        if name == "waits":
            return self._record(Waits, {"p50": None, "p95": None, "p99": None, "source": "ledger", **value})
        if name == "forecast":
            empty = dict.fromkeys((field.name for field in fields(Forecast)), None)
            return self._record(Forecast, {**empty, "rate": 1.0, "trusted": True, **value})
        return self._moment(value) if name in _MOMENTS else value

    @staticmethod
    def _moment(second: float | None) -> datetime | None:
        return None if second is None else START + timedelta(seconds=second)


_MOMENTS = {
    field.name
    for kind in (QueueSnapshot, Forecast)
    for field in fields(kind)
    if "datetime" in str(field.type)
}
