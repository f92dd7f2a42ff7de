"""Ask Redis once a second, in a thread, if it takes writes, so that the dispatcher never waits for it."""

from __future__ import annotations

import logging
import threading
import time

from hms_oms.database import probing
from hms_oms.database.refusals import Refusal

log = logging.getLogger(__name__)

#: How often Redis is asked, in seconds.
EVERY_SECONDS = 1.0


class BrokerWatch:
    """Knows why Redis refuses writes; the thread ends with the process."""

    def __init__(self, broker_url: str) -> None:
        self._client = probing.redis_client(broker_url)
        #: Why Redis takes no writes; None as long as it does, or was not asked yet.
        self.refusal: Refusal | None = None

    def start(self) -> None:
        """Begin to ask."""
        threading.Thread(target=self._run, name="broker-watch", daemon=True).start()

    def look(self) -> Refusal | None:
        """Ask once, now."""
        refusal = probing.redis_refusal(self._client)
        if refusal != self.refusal:
            log.log(
                *((logging.WARNING, f"Redis {refusal.words}") if refusal else (logging.INFO, "Redis is back"))
            )
        self.refusal = refusal
        return refusal

    def _run(self) -> None:
        while True:
            self.look()
            time.sleep(EVERY_SECONDS)
