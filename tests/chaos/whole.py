"""`make chaos`: the model, stories, storms, texts and made-up requests, one after the other, and the verdict.

What each has found is written to docs/verdict.md; 1 if a promise was broken, 2 if only a bar was missed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.chaos import page
from tests.failpoints.results import figures

ROOT = Path(__file__).parents[2]
VERDICT = ROOT / "docs/verdict.md"
#: Jobs that go through all that can happen to them, by hundreds of stories, and schedules that are killed.
STORIES = ("tests/properties", "tests/ops/test_stages.py", "tests/schedules/test_killed_schedules.py")


def main(arguments: Sequence[str] | None = None) -> int:
    """Try everything that is asked, and write down what came of it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.whole", description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000, help="requests that come in a storm (20000)")
    parser.add_argument("--faults", type=int, default=200, help="faults that strike meanwhile (200)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[7, 8, 9], help="which storms (7 8 9)")
    parser.add_argument("--stories", type=int, default=500, help="how many stories (500)")
    parser.add_argument("--texts", type=int, default=500, help="texts that each meet a weather (500)")
    parser.add_argument("--fuzz", type=int, default=300, help="seconds of made-up requests (300)")
    asked = parser.parse_args(arguments)
    codes: list[int] = []

    def tell(*words: str, **environment: str) -> tuple[int, str]:
        code, said = _told(*words, **environment)
        codes.append(code)
        return code, said

    results: dict[str, Any] = {
        **_whereabouts(),
        "asked": vars(asked),
        "model": _model(*tell("-m", "tests.model.checker", "--faults", "2")),
        "stories": _stories(
            *tell("-m", "pytest", "--quiet", *STORIES, STORIES=str(asked.stories), STRIDE="1")
        ),
    }
    sizes = ("--jobs", str(asked.jobs), "--faults", str(asked.faults))
    results["storms"] = [
        _last(tell("-m", "tests.chaos", *sizes, "--seed", str(seed))[1]) for seed in asked.seeds
    ]
    results["texts"] = _last(tell("-m", "tests.provider.storm", "--runs", str(asked.texts))[1])
    results["fuzz"] = _fuzz(*tell("-m", "tests.api.fuzz", "--seconds", str(asked.fuzz)))
    results["points"] = figures()
    results["codes"] = codes
    VERDICT.write_text(page.written(results), encoding="utf-8")
    print(f"written: {VERDICT.relative_to(ROOT)}", file=sys.stderr)
    return 1 if any(code not in (0, 2) for code in codes) else max(codes)


def _whereabouts() -> dict[str, str]:
    """Which commit this is, whether anything was changed since, and when."""
    git = ("git", "-C", str(ROOT))
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout
    changes = subprocess.run(
        [*git, "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=False
    ).stdout
    return {
        "commit": commit.strip() + (" and changes that are not committed" if changes else ""),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _told(*words: str, **environment: str) -> tuple[int, str]:
    """The exit code of a program of ours, and what it says on standard output, which is shown as well."""
    said: list[str] = []
    command = [sys.executable, *words]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            said.append(line)
    return process.returncode, "".join(said)


def _model(code: int, said: str) -> dict[str, Any]:
    counts = re.findall(r"^(.+): ([\d,]+) states, ([\d,]+) actions: (.+)$", said, re.MULTILINE)
    guards = re.findall(r"^without (.+?): (.+)$", said, re.MULTILINE)
    return {
        "code": code,
        "jobs": [
            {"steps": steps, "states": states, "actions": actions, "result": result}
            for steps, states, actions, result in counts
        ],
        "guards": len(guards),
        "unnoticed": [guard for guard, result in guards if result == "nothing is broken"],
    }


def _stories(code: int, said: str) -> dict[str, Any]:
    counts = re.findall(r"(\d+) (passed|failed|error|skipped)", said)
    return {"code": code, **{word: int(number) for number, word in counts}}


def _fuzz(code: int, said: str) -> dict[str, Any]:
    cases = re.search(r"([\d,]+) generated", said)
    faults = re.search(r"(\d+) requests failed for a fault of the server", said)
    return {
        "code": code,
        "cases": cases[1] if cases else "?",
        "faults": int(faults[1]) if faults else None,
    }


def _last(said: str) -> Mapping[str, Any] | None:
    """The JSON object that a program ends with; None where it came to no end."""
    lines = said.strip().splitlines()
    try:
        result: Mapping[str, Any] = json.loads(lines[-1])
    except (IndexError, ValueError):
        return None
    return result


if __name__ == "__main__":
    sys.exit(main())
