"""`python -m tests.chaos`: a storm, then the verdict; the last line of standard output is one JSON object."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from tests.chaos import checker, plan, storm, verdict


def main(arguments: Sequence[str] | None = None) -> int:
    """Have the storm that is asked for; 1 if a promise was broken, 2 if only a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000, help="requests that come in (20000)")
    parser.add_argument("--faults", type=int, default=200, help="faults that strike meanwhile (200)")
    parser.add_argument("--seed", type=int, default=7, help="which storm (7)")
    parser.add_argument("--kinds", default=",".join(plan.SHARES), help="kinds of faults, with commas (all)")
    parser.add_argument("--keep", action="store_true", help="leave logs and data, and say where")
    asked = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, _leave)
    home = Path(tempfile.mkdtemp(prefix="hms-chaos-"))
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 140)
    try:
        aftermath = storm.run(home, asked.jobs, asked.faults, asked.seed, asked.kinds.split(","))
        (home / "faults.json").write_text(json.dumps([asdict(fault) for fault in aftermath.history.faults]))
        findings = checker.check(aftermath.history)
        counted = verdict.document(aftermath, findings, asked.seed)
        verdict.show(aftermath, findings, counted, console)
        print(json.dumps(counted), flush=True)
    except KeyboardInterrupt:
        return 130
    finally:
        if asked.keep:
            console.print(f"everything is in {home}", highlight=False)
        else:
            shutil.rmtree(home, ignore_errors=True)
    return verdict.exit_code(findings.sound, counted)


def _leave(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
