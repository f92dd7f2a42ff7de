"""HMS-OPS: measures and calls people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hms_ops.client import OpsClient as OpsClient

__all__ = ["OpsClient"]


def __getattr__(name: str) -> Any:
    """The client, imported when it is first asked for: anyone who runs this package needs no HTTP."""
    if name != "OpsClient":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hms_ops.client import OpsClient

    return OpsClient
