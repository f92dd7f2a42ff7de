"""Ending steps that run: a word to the workers, after the ledger has refused what those steps may report."""

from __future__ import annotations

from collections.abc import Iterable

import kombu.exceptions

from hms_act.dispatcher import make_app
from hms_oms.errors import HmsError
from hms_oms.tickets import Ticket

#: How many tickets one word to the workers names at most.
BUNDLE = 1000


class WorkersNotTold(HmsError):
    """Redis does not answer, so the workers cannot be told; their steps run on, to no effect."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        which = "the running step goes" if steps == 1 else f"{steps:,} running steps go"
        super().__init__(
            f"Redis does not answer, so {which} on until the end; what is reported then will be refused"
        )


def terminate(broker_url: str, tickets: Iterable[Ticket]) -> None:
    """Have the workers end the steps that run under these tickets. Raises WorkersNotTold."""
    ids = [str(ticket) for ticket in tickets]
    if not ids:
        return
    app = make_app(broker_url)
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=5)
            for start in range(0, len(ids), BUNDLE):
                app.control.revoke(
                    ids[start : start + BUNDLE], terminate=True, signal="SIGTERM", connection=connection
                )
    except (kombu.exceptions.OperationalError, OSError) as error:
        raise WorkersNotTold(len(ids)) from error
