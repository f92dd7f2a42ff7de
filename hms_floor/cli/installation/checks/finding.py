"""A finding of `hms check`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hms_ops.health import BAD


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: its light (ok, warn or bad), what was found, and what to do about it."""

    name: str
    light: str
    detail: str
    advice: str = ""

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {"ok": self.light != BAD, **vars(self)}
