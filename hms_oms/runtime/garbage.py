"""Garbage collection in processes that run for long."""

from __future__ import annotations

import gc


def spare_loaded() -> None:
    """Have the collector pass over what the process has loaded so far: it stays until the process ends.

    To look through all modules again and again took a worker a tenth of its time.
    """
    gc.collect()
    gc.freeze()
