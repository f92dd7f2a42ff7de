"""Garbage collection in processes that run for long."""

from __future__ import annotations

import gc


def spare_loaded() -> None:
    """Have the collector pass over what the process has loaded so far, which stays in use until it ends.

    To look through all modules again and again took a worker a tenth of its time. The little that is dropped
    later, as a first connection, is not freed if it refers to itself.
    """
    gc.collect()
    gc.freeze()
