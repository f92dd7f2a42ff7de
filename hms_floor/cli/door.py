"""How a verb reaches the door: by the clients, which find it and the badge to show there."""

from __future__ import annotations

import functools
from datetime import UTC, datetime

from hms_act.client import ActClient
from hms_oms.client import OmsClient


@functools.cache
def act() -> ActClient:
    """What starts and steers. Raises ConfigError where no door is known, NoBadge where there is no badge."""
    return ActClient()


@functools.cache
def oms() -> OmsClient:
    """What reads. Raises ConfigError where no door is known, NoBadge where there is no badge."""
    return OmsClient()


def clock() -> datetime:
    """What time the ledger has, or this machine where the door does not tell."""
    return oms().me().now or datetime.now(UTC)
