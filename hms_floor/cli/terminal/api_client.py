"""API clients of the command line, with the address and the badge that they find."""

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
    """The client for ACT. Raises ConfigError if no API is known, Unauthorized if there is no badge."""
    from hms_act.client import ActClient

    return ActClient()


@functools.cache
def oms() -> OmsClient:
    """The client for OMS. Raises ConfigError if no API is known, Unauthorized if there is no badge."""
    from hms_oms.client import OmsClient

    return OmsClient()


@functools.cache
def ops() -> OpsClient:
    """The client for OPS. Raises ConfigError if no API is known, Unauthorized if there is no badge."""
    from hms_ops.client import OpsClient

    return OpsClient()


def clock() -> datetime:
    """Current time by the ledger's clock, by which deadlines are judged."""
    return oms().me().now
