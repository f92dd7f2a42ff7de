"""The program `hms`; also `python -m hms_floor`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run the command line, or say which extra of the package it lacks."""
    _open_what_is_closed()
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


def _open_what_is_closed() -> None:
    """Open each standard stream that the shell has closed (`>&-`) to nowhere; the exit code still tells."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            # Else the next file or connection would get the number, and what is printed.
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    main()
