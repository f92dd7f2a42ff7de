"""A night, played: after each look, and at its end, what is wrong is told in a sentence each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hms_oms.database.connections import RawConnection
from hms_ops.incidents import actions, silences, stages, thresholds
from hms_ops.paging.outcomes import LABEL
from hms_ops.paging.throttle import LIMITS, MINUTE, Sent, free_at
from tests.nights import script
from tests.support.timelines import PHONES, START, Timeline

#: A queue whose jobs are late may go untold for so long, in seconds, and as long again as between two looks.
PATIENCE_SECONDS = 120
#: One that somebody has closed is left alone for so long.
CLOSED = timedelta(minutes=15)


class Night(Timeline):
    """A night of this seed; `wrong` is what was wrong in it."""

    def __init__(
        self, seed: int, engine: sa.Engine, raw: RawConnection, log: Path, *, hours: float, every: int
    ) -> None:
        super().__init__(script.script(seed, hours, every), engine, raw, log)
        self.wrong: list[str] = []
        self._every = every
        #: Since when each queue is late while the watch looks and no silence covers it, in seconds.
        self._late_since: dict[str, int] = {}

    def play(self) -> None:
        """From the first look to the last, and what is to be said of it all."""
        super().play()
        self.wrong += [*self._too_many(), *self._twice(), *self._in_a_silence()]

    def _do(self, action: Mapping[str, Any], away: bool) -> bool:
        """Do what the night says; which incident it is about is a matter of chance."""
        kind = next((kind for kind in ("acknowledge", "resolve") if kind in action), None)
        if kind is None:
            return super()._do(action, away)
        with self.engine.begin() as connection:
            live = actions.find(connection)
            if live:
                incident = live[int(action[kind] * len(live))].id
                if kind == "acknowledge":
                    limits = thresholds.limits(connection)
                    actions.acknowledge(connection, incident, action["who"], self.now, limits)
                else:
                    actions.resolve(connection, incident, action["who"], None, self.now)
        return away

    def observed(self, away: bool) -> None:
        """Who is late for long has an incident, and an open one has called somebody."""
        with self.engine.connect() as connection:
            incidents = actions.find(connection, actions.STATES, limit=None)
            silenced = {silence.queue for silence in silences.active(connection, self.now)}
            texts = {row.token: row for row in connection.execute(_PAGES)}
        [*_, entry] = [entry for entry in self.script["series"] if entry["from"] <= self.second]
        for queue in script.QUEUES:
            late = entry["queues"][queue].get("late") and not away and queue not in silenced
            if not late:
                self._late_since.pop(queue, None)
                continue
            since = self._late_since.setdefault(queue, self.second)
            if self.second - since <= PATIENCE_SECONDS + self._every:
                continue
            mine = [item for item in incidents if item.queue == queue and item.rule in stages.STAGES]
            closed = any(item.resolved_by and item.resolved_at > self.now - CLOSED for item in mine)
            live = [item for item in mine if item.state in actions.LIVE]
            if not live and not closed:
                self._say(f"{queue} is late since {since} s, and there is no incident")
            for item in live:
                calls = [
                    text
                    for token, text in texts.items()
                    if token.startswith(f"page:{item.id}:{item.page_seq}:")
                ]
                if item.state == "open" and not item.flapping and not calls:
                    self._say(f"{queue} is late since {since} s, and {item.reference} has called nobody")
                if any(text.state == "pending" for text in calls) and not self._is_throttled("ada"):
                    self._say(f"the call of {item.reference} waits, and the phone may be called")

    def _say(self, sentence: str) -> None:
        self.wrong.append(f"at {self.second} s: {sentence}")

    def _is_throttled(self, name: str) -> bool:
        """Whether the phone could not be called a look ago."""
        before = self.now - timedelta(seconds=self._every)
        sends = [Sent(self._at(second), "page") for second, who, _ in self.arrived if who == name]
        return free_at(sends, before, urgent=True) > before

    def _too_many(self) -> Iterator[str]:
        """No phone gets more than the throttle lets through; what only says "over" is not in the minute."""
        for name in PHONES:
            sends = [(self._at(second), text) for second, who, text in self.arrived if who == name]
            for span, most in LIMITS:
                counted = [at for at, text in sends if span > MINUTE or not _only_ends(text)]
                for at in counted:
                    number = sum(at - span < other <= at for other in counted)
                    if number > most:
                        yield f"{name} got {number} texts within {span} up to {at - START}"

    def _twice(self) -> Iterator[str]:
        """A text that goes again says so."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        plain = Counter(line["token"] for line in map(json.loads, lines) if LABEL not in line["text"])
        for token, number in plain.items():
            if number > 1:
                yield f"{token} went {number} times without a label"

    def _in_a_silence(self) -> Iterator[str]:
        """No call about a queue begins in its silence."""
        with self.engine.connect() as connection:
            for row in connection.execute(_BEGUN_IN_SILENCE, {"slack": timedelta(seconds=2 * self._every)}):
                yield f"{row.token} was put at {row.created_at - START}, in a silence of {row.queue}"

    @staticmethod
    def _at(second: int) -> datetime:
        return START + timedelta(seconds=second)


def _only_ends(text: str) -> bool:
    """Whether a text only says that something is over, by itself or because somebody has closed it."""
    return " over " in text or ": closed by " in text


_PAGES = sa.text("select token, state from oms.messages where token like 'page:%'")
#: The first text of each call. One that was due before the silence began is put by the look after it.
_BEGUN_IN_SILENCE = sa.text("""
select call.token, call.created_at, incident.queue
from (
    select distinct on (incident_id, split_part(token, ':', 3)) incident_id, token, created_at
    from oms.messages where token like 'page:%'
    order by incident_id, split_part(token, ':', 3), id
) as call
inner join ops.incidents as incident on incident.id = call.incident_id
inner join ops.silences as silence on silence.queue = incident.queue
where call.created_at > silence.starts_at + :slack and call.created_at < silence.ends_at
    and (silence.ended_at is null or call.created_at < silence.ended_at)
""")
