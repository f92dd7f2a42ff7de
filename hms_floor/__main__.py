"""The program `hms`; also `python -m hms_floor`."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line, or say which extra of the package it lacks."""
    try:
        from hms_floor import cli
    except ModuleNotFoundError as error:
        if error.name not in ("click", "rich"):
            raise
        sys.exit(
            f"hms needs {error.name}, which comes with an extra: pip install 'hms-management-layer[server]'"
            " ([local] has everything for one machine)"
        )
    cli.main(prog_name="hms")


if __name__ == "__main__":
    main()
