"""Refuses to run Flower without a sign-in, whatever configuration file it was given."""

from __future__ import annotations

import sys
from typing import Any

from celery import signals


def install() -> None:
    """Have Flower, if this process runs it, check its own options before it listens.

    Celery loads Flower's command, with Tornado, in each of its processes, but only Flower parses its options.
    It parses them once before and once after its configuration file; then it has the application import
    its modules, and that is the moment at which they are complete.
    """
    tornado = sys.modules.get("tornado.options")
    if tornado is not None:
        tornado.options.add_parse_callback(lambda: signals.import_modules.connect(_refuse_open, weak=False))


def _refuse_open(**_: Any) -> None:
    options = sys.modules["tornado.options"].options
    if not (options.basic_auth or options.auth):
        sys.exit(
            "Flower has no sign-in: leave out --conf, so that it asks for the password in"
            " HMS_HOME/flower.password, or set FLOWER_BASIC_AUTH=user:password"
        )
