"""The sender: takes texts out of the outbox and hands them over, until paging goes over the air."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from pathlib import Path

from hms_oms import duty, outbox
from hms_oms.database import Bare
from hms_ops.handset import Handset

log = logging.getLogger(__name__)

#: Texts handed over in one go.
BATCH = 200
#: How long to wait when texts cannot be handed over, in seconds.
FAULT_SECONDS = 5.0
#: How often the outbox is looked at, in seconds.
IDLE_SECONDS = 0.5


class Sender:
    """Each turn hands over what waits in the outbox."""

    #: Texts that come one by one are handed over together.
    least_seconds = 0.25

    def __init__(self, connection: Bare, handset: Handset) -> None:
        self.connection = connection
        self.handset = handset

    def turn(self) -> float:
        """Send one batch; look again at once while there is more."""
        messages = outbox.begin(self.connection, BATCH, "handset")
        if messages:
            try:
                self.handset.deliver(messages, datetime.now(UTC))
            except OSError as error:
                log.error("%s: %s; the texts wait", self.handset.path, error.strerror)
                return FAULT_SECONDS
            outbox.finish(self.connection, messages, "delivered")
        return 0.0 if len(messages) == BATCH else IDLE_SECONDS


def run(database_url: str, handset: Path) -> None:
    """The daemon: lead or stand by until SIGTERM."""
    with duty.stop_on_signals() as stop:
        duty.serve(
            "ops",
            database_url,
            [],
            lambda connection: Sender(connection, Handset(handset)),
            stop,
        )
