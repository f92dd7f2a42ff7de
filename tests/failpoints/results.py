"""What slices have come to, in build/failpoints: a file each, which the next run of it replaces."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.failpoints import plan
from tests.failpoints.running import UPKEEP_PATHS, Verdict

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "build/failpoints"


def keep(
    kind: str,
    part: str,
    seed: int,
    counted: Mapping[str, float],
    undeclared: Sequence[str],
    verdicts: Sequence[Verdict],
    folder: Path = FOLDER,
) -> None:
    """Keep the results of a slice."""
    git = ("git", "-C", str(ROOT), "rev-parse", "HEAD")
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    document = {
        "kind": kind,
        "slice": part,
        "seed": seed,
        "commit": commit,
        "date": datetime.now(UTC).date().isoformat(),
        **counted,
        "calls": undeclared,
        "trials": [
            {
                "trial": str(verdict.trial),
                "struck": verdict.struck,
                "wrong": verdict.wrong,
                "seconds": round(verdict.seconds, 1),
            }
            for verdict in verdicts
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{kind}-{seed}-{part.replace('/', '-of-')}.json"
    (folder / name).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def figures(folder: Path = FOLDER) -> dict[str, Any] | None:
    """All slices taken together; None if none was run."""
    slices = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    if not slices:
        return None
    declared = plan.declared()
    names = ("lost", "twice", "illegal", "other", "died")
    return {
        "points": len({point for points in plan.places() for point in points}),
        "singlesOf": len(plan.singles(declared, UPKEEP_PATHS)),
        "pairsOf": len(plan.pairs(declared, slices[0]["seed"])),
        **{
            kind: sum(part["runs"] for part in slices if part["kind"] == kind)
            for kind in ("singles", "pairs")
        },
        "unreached": sum(not trial["struck"] for part in slices for trial in part["trials"]),
        **{name: sum(part[name] for part in slices) for name in names},
        "undeclared": len(plan.undeclared({call for part in slices for call in part["calls"]})),
        "seconds": sum(part["seconds"] for part in slices),
        "commits": sorted({part["commit"] for part in slices}),
        "dates": sorted({part["date"] for part in slices}),
    }
