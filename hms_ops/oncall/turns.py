"""Who is called first, and from when until when: the turns of a stretch of time, and those of tonight."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from hms_ops.documents import calling
from hms_ops.oncall import coverage
from hms_ops.oncall.oncall import Document, on_call, zone

#: When tonight begins, and when it is over, by the document's clock.
EVENING, MORNING = time(18), time(6)


@dataclass(frozen=True, slots=True)
class Turn:
    """A stretch of time in which the same people are called first; nobody is if there are no `names`."""

    begins: datetime
    ends: datetime
    names: tuple[str, ...]

    def document(self) -> calling.Turn:
        """As the API shows it."""
        return calling.Turn(self.begins, self.ends, self.names)


def tonight(document: Document, now: datetime) -> list[Turn]:
    """The turns from this evening until the morning; before the morning those of the night that goes on."""
    here = zone(document)
    local = now.astimezone(here)
    day = local.date() - timedelta(days=local.time() < MORNING)
    since = datetime.combine(day, EVENING, here).astimezone(UTC)
    until = datetime.combine(day + timedelta(days=1), MORNING, here).astimezone(UTC)
    return turns(document, since, until)


def following(document: Document, now: datetime) -> Turn | None:
    """The turn after that of `now`; None if the same people are called first all week."""
    coming = turns(document, now, now + timedelta(days=8))
    return coming[1] if len(coming) > 1 else None


def turns(document: Document, since: datetime, until: datetime) -> list[Turn]:
    """The turns of a stretch of time, without a gap, in UTC."""
    instants = coverage.instants(document, zone(document), since, until)
    marks = sorted({mark for mark in instants if since < mark < until})
    result: list[Turn] = []
    for begins, ends in itertools.pairwise([since, *marks, until]):
        names = _first(document, begins)
        if result and result[-1].names == names:
            result[-1] = Turn(result[-1].begins, ends, names)
        else:
            result.append(Turn(begins, ends, names))
    return result


def _first(document: Document, moment: datetime) -> tuple[str, ...]:
    """The names on the first step that has anybody."""
    steps = on_call(document, moment)
    recipients = next((step.recipients for step in steps if step.recipients), ())
    return tuple(recipient.name for recipient in recipients)
