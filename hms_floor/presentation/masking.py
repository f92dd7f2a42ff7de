"""The mask in place of a value that the reader may not see."""

from __future__ import annotations

MASK = "***"
