"""`make audit`: known weaknesses of what we are built on, and a bill of materials in build/bom.json.

Both are of constraints.txt, the versions that are tested. 1 if a weakness is known; 3 if it could not be
looked up, which is no good news.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
CONSTRAINTS = ROOT / "constraints.txt"
BILL = ROOT / "build/bom.json"
#: The exit code where nothing is known.
UNKNOWN = 3


def main() -> int:
    """Write the bill of materials, and tell what is known of each part."""
    BILL.parent.mkdir(exist_ok=True)
    subprocess.run(
        [BIN / "cyclonedx-py", "requirements", CONSTRAINTS, "--output-reproducible", "-o", BILL], check=True
    )
    parts = len(json.loads(BILL.read_text())["components"])
    print(f"{BILL.relative_to(ROOT)}: {parts} parts")
    done = subprocess.run(
        [
            *(BIN / "pip-audit", "--requirement", CONSTRAINTS, "--no-deps", "--disable-pip"),
            *("--progress-spinner", "off", "--format", "json"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        report = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.strip().splitlines()[-1:]
        print("nothing is known: the list of weaknesses cannot be reached", *last, sep="\n  ")
        return UNKNOWN
    print(*sentences(report), sep="\n")
    return code(report)


def sentences(report: Mapping[str, Any]) -> Iterator[str]:
    """What pip-audit has found, a line each; it calls parts that it could not look up skipped."""
    parts = report["dependencies"]
    for part in parts:
        for weakness in part.get("vulns", ()):
            better = ", ".join(weakness["fix_versions"]) or "no version"
            yield f"{part['name']} {part['version']}: {weakness['id']}; mended in {better}"
    skipped = [part["name"] for part in parts if "skip_reason" in part]
    if skipped:
        yield f"nothing is known of {len(skipped)} of {len(parts)} parts: the index does not tell"
    yield f"{sum(bool(part.get('vulns')) for part in parts)} of {len(parts)} parts have a known weakness"


def code(report: Mapping[str, Any]) -> int:
    """The exit code for what pip-audit has found."""
    parts = report["dependencies"]
    if any(part.get("vulns") for part in parts):
        return 1
    return UNKNOWN if any("skip_reason" in part for part in parts) else 0


if __name__ == "__main__":
    sys.exit(main())
