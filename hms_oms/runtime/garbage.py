"""Garbage collection in processes that run for long."""

from __future__ import annotations

import gc


def freeze_loaded() -> None:
    """Have the collector pass over what the process has loaded so far: it stays for as long as the process.

    Looking through all modules again and again took a worker a tenth of its time. What is dropped later all
    the same, such as a first connection, is not freed if it refers to itself.
    """
    gc.collect()
    gc.freeze()
