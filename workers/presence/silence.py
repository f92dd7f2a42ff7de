"""Ends silent steps in a child of a pool of processes, whose parent does not hear what they say."""

from __future__ import annotations

import logging
import os
import threading
import time

from workers import limits

log = logging.getLogger(__name__)

#: How often it is looked for silent steps, in seconds.
LOOK_SECONDS = 0.5

_started = threading.Event()


def watch() -> None:
    """End silent steps of this process from now on."""
    if not _started.is_set():
        _started.set()
        threading.Thread(target=_watch, name="silence", daemon=True).start()


def _watch() -> None:
    while True:
        time.sleep(LOOK_SECONDS)
        deaf = limits.enforce(time.monotonic())
        if deaf:
            names = ", ".join(str(ticket) for ticket, _ in deaf)
            log.error("%s does not heed its end: this process ends with it", names)
            # The parent sees it, and has the step taken back.
            os._exit(1)
