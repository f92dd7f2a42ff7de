"""Whose clock the command line tells and reads times by: the reader's if it is named, else the office's."""

from __future__ import annotations

import functools
from zoneinfo import ZoneInfo

import click

from hms_floor.cli.terminal import api_client
from hms_oms.runtime import clock, settings
from hms_oms.runtime.errors import ConfigError, HmsError


def reader() -> ZoneInfo:
    """The zone that --timezone or HMS_TIMEZONE names, else the one that the API says, else this machine's."""
    ctx = click.get_current_context(silent=True)
    named = ctx.find_root().params.get("timezone") if ctx else None
    return clock.zone(named) if named else _office()


@functools.cache
def _office() -> ZoneInfo:
    try:
        known = settings.load()
        if known.timezone is not None:
            return known.zone
        return clock.zone(api_client.oms().me().timezone)
    except (ConfigError, HmsError, ValueError):
        return clock.zone(clock.machine_zone())
