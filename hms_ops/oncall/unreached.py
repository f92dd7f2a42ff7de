"""Open incidents that have reached nobody: no text is on its way, and none was accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from hms_ops.oncall.escalation import MAYBE_READ, UNSETTLED

#: A call gets so long to write its first text, in seconds.
GRACE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """An incident that is not over; `unreached` says that nobody was reached about it."""

    id: int
    reference: str | None
    rule: str
    queue: str | None
    state: str
    unreached: bool

    @property
    def name(self) -> str:
        """As people write it: `#K7`."""
        return f"#{self.reference}" if self.reference else f"incident {self.id}"


def live(connection: Connection) -> Sequence[OpenIncident]:
    """The incidents that people should know of and that are not over, oldest first."""
    reached = [*UNSETTLED, *MAYBE_READ]
    rows = connection.execute(text(_LIVE), {"reached": reached, "grace": GRACE_SECONDS})
    return [OpenIncident(**row) for row in rows.mappings()]


# The texts of a call are named `page:<incident>:<call>:<step>:<recipient>`. A merged one has the
# fate of its carrier.
_LIVE = """
select
    incident.id, incident.reference, incident.rule, incident.queue, incident.state,
    incident.state = 'open'
    and not incident.silenced
    and incident.page_from is not null
    and incident.page_from < oms.now() - :grace * interval '1 second'
    and not exists (
        select from oms.messages as message
        left join oms.messages as carrier on carrier.id = message.merged_into
        where message.incident_id = incident.id
            and split_part(message.token, ':', 1) = 'page'
            and split_part(message.token, ':', 3) = incident.page_seq::text
            and coalesce(carrier.state, message.state) = any(:reached)
    ) as unreached
from ops.incidents as incident
where incident.state in ('open', 'acknowledged')
order by incident.id
"""
