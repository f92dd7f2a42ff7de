"""How many made-up stories are played over the ledger: each costs a second of round trips."""

from __future__ import annotations

import os


def stories(usual: int) -> int:
    """So many as `make test` plays; `make chaos` says by STORIES how many more."""
    return int(os.environ.get("STORIES", usual))
