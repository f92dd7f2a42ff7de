"""`make mutants`: take out each guard of guards.toml in a copy, and see that its tests fail.

A mutant is one change of one file: `old` becomes `new`. It survives if the tests that are named with it pass;
1 is returned if any does, and is not argued for with `because`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
GUARDS = Path(__file__).with_name("guards.toml")
#: A mutant whose tests take longer than this has been noticed: something waits for what never comes.
MOST_SECONDS = 300.0


@dataclass(frozen=True)
class Mutant:
    """One guard taken out, and the tests that must notice; `because` argues for one that they may miss."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    because: str = ""

    def fault(self, root: Path) -> str | None:
        """What is wrong with it: the guard is to be in the file, and once."""
        places = (root / self.file).read_text(encoding="utf-8").count(self.old)
        return None if places == 1 else f"{self.name}: {self.file} has {places} places like {self.old!r}"

    def plant(self, root: Path) -> None:
        """Change the copy under `root`."""
        path = root / self.file
        path.write_text(path.read_text(encoding="utf-8").replace(self.old, self.new), encoding="utf-8")


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: the test that noticed it, if any did."""

    mutant: Mutant
    noticed_by: str | None
    seconds: float


def read(path: Path = GUARDS) -> list[Mutant]:
    """The declared mutants. Raises ValueError for two of one name."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    mutants = [Mutant(**{**table, "tests": tuple(table["tests"])}) for table in document["mutant"]]
    names = [mutant.name for mutant in mutants]
    repeated = {name for name in names if names.count(name) > 1}
    if repeated:
        raise ValueError(f"two mutants are called {', '.join(sorted(repeated))}")
    return mutants


def main(arguments: Sequence[str] | None = None) -> int:
    """Plant the mutants that are asked for, all by default; 1 if one survives that nobody has argued for."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names of mutants (all)")
    parser.add_argument("--at-once", type=int, default=2, help="how many copies are tried at once (2)")
    asked = parser.parse_args(arguments)
    mutants = [
        mutant for mutant in read() if not asked.names or any(part in mutant.name for part in asked.names)
    ]
    misplaced = [fault for mutant in mutants if (fault := mutant.fault(ROOT))]
    if misplaced:
        parser.error("; ".join(misplaced))
    console = Console()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(asked.at_once) as pool:
        places = [copy(Path(folder) / str(number)) for number in range(asked.at_once)]
        verdicts = []
        for verdict in pool.map(lambda mutant: judge(mutant, places), mutants):
            verdicts.append(verdict)
            by = verdict.noticed_by or "NOBODY"
            console.print(
                f"{verdict.mutant.name}: noticed by {by} ({verdict.seconds:.0f} s)", highlight=False
            )
    return report(console, verdicts)


def copy(target: Path) -> Path:
    """A copy of all files of the project that git knows, or would."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def judge(mutant: Mutant, places: list[Path]) -> Verdict:
    """Plant a mutant in a copy that is free, run its tests, and take it out again."""
    place, began = places.pop(), time.monotonic()
    original = (place / mutant.file).read_bytes()
    try:
        mutant.plant(place)
        noticed_by = _first_failure(place, mutant.tests)
    finally:
        (place / mutant.file).write_bytes(original)
        places.append(place)
    return Verdict(mutant, noticed_by, time.monotonic() - began)


def _first_failure(place: Path, tests: Iterable[str]) -> str | None:
    """The test that failed first; None if all have passed."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    # The copy is what is imported, here and by every process that a test starts.
    environment = {**os.environ, "PYTHONPATH": str(place), "PYTHONDONTWRITEBYTECODE": "1"}
    process = subprocess.Popen(
        command,
        cwd=place,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        return f"a test that did not end within {MOST_SECONDS:.0f} s"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode == 0:
        return None
    if process.returncode not in (1, 2):
        raise RuntimeError(f"pytest has ended with {process.returncode}: {output[-2000:]}")
    return next(_failures(output), "a test that could not be collected")


def _failures(output: str) -> Iterator[str]:
    for line in output.splitlines():
        word, _, rest = line.partition(" ")
        if word in ("FAILED", "ERROR"):
            yield rest.split(" - ")[0]


def report(console: Console, verdicts: Sequence[Verdict]) -> int:
    """Print who has survived, and whether that is argued for."""
    survivors = [verdict.mutant for verdict in verdicts if verdict.noticed_by is None]
    unargued = [mutant for mutant in survivors if not mutant.because]
    table = Table("mutant", "file", "because")
    for mutant in survivors:
        table.add_row(mutant.name, mutant.file, mutant.because or "[bold red]unargued")
    if survivors:
        console.print(table)
    console.print(
        f"{len(verdicts)} mutants: {len(verdicts) - len(survivors)} noticed,"
        f" {len(survivors) - len(unargued)} argued for, {len(unargued)} survivors"
    )
    return 1 if unargued else 0


if __name__ == "__main__":
    sys.exit(main())
