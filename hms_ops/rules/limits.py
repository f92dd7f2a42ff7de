"""Thresholds as rules read them."""

from __future__ import annotations

from collections.abc import Callable

#: The threshold of that name in force for a queue (None: for the whole floor), of the rule that asks.
Limits = Callable[[str, str | None], float]
