"""HMS-OMS: the job ledger, its SLA table and its queues; the only package that touches PostgreSQL."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hms_oms.api.filter import Filter as Filter
    from hms_oms.client import OmsClient as OmsClient

__all__ = ["Filter", "OmsClient"]

_HOMES = {"Filter": "hms_oms.api.filter", "OmsClient": "hms_oms.client"}


def __getattr__(name: str) -> Any:
    """The client, imported when it is first asked for: anyone who runs this package needs no HTTP."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
