"""How a verb reaches the API: by the clients, which find it and the badge to show there."""

from __future__ import annotations

import functools
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hms_act.client import ActClient
    from hms_oms.client import OmsClient
    from hms_ops.client import OpsClient


@functools.cache
def act() -> ActClient:
    """What starts and steers. Raises ConfigError where no API is known, NoBadge where there is no badge."""
    from hms_act.client import ActClient

    return ActClient()


@functools.cache
def oms() -> OmsClient:
    """What reads. Raises ConfigError where no API is known, NoBadge where there is no badge."""
    from hms_oms.client import OmsClient

    return OmsClient()


@functools.cache
def ops() -> OpsClient:
    """What watches and calls. Raises ConfigError where no API is known, NoBadge where there is no badge."""
    from hms_ops.client import OpsClient

    return OpsClient()


def clock() -> datetime:
    """What time the ledger has: deadlines are judged by its clock."""
    return oms().me().now
