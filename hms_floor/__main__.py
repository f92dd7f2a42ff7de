"""`python -m hms_floor` is `hms`."""

from __future__ import annotations

from hms_floor.cli import main

main(prog_name="hms")
