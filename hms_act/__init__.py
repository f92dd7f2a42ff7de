"""HMS-ACT: turns job requests into Celery chains."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hms_act.client import ActClient as ActClient

__all__ = ["ActClient"]


def __getattr__(name: str) -> Any:
    """The client, imported when it is first asked for: anyone who runs this package needs no HTTP."""
    if name != "ActClient":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hms_act.client import ActClient

    return ActClient
