"""Imported by Python when it starts: what our programs start, such as that of heartbeats, has points too."""

from __future__ import annotations

import os

if "FAILPOINTS" in os.environ:
    os.environ["FAILPOINTS_PROGRAM"] = "heartbeat"
    from tests.failpoints import hooks

    hooks.hurry()
    hooks.install_postgresql(hooks.of_process())
