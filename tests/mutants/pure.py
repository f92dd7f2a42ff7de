"""`make mutations`: change the modules of pure.toml in every way that cosmic-ray knows, and run their tests.

A change survives if no test fails; 1 is returned if one does that is not argued for by its line and operator.
What each change came to is kept in build/mutations until the module or its tests are written otherwise.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tests.mutants.__main__ import ROOT, copy

PURE = Path(__file__).with_name("pure.toml")
SESSIONS = ROOT / "build/mutations"
BIN = SESSIONS / "environment/bin"
#: What is waited for at most, in seconds: the warm process keeps a stricter account itself.
_MOST_SECONDS = 120
_CONFIGURATION = """
[cosmic-ray]
module-path = "{file}"
timeout = {seconds}
excluded-modules = []
test-command = "{python} -I -S {knock} {socket}"
distributor.name = "local"
"""


@dataclass(frozen=True)
class Module:
    """A module that is pure, or some `functions` of one, and its tests."""

    file: str
    tests: tuple[str, ...]
    functions: tuple[str, ...] = ()

    def session(self, root: Path) -> Path:
        """Where the results are kept of the module, and the tests, that are under `root`."""
        files = (self.file, *dict.fromkeys(test.partition("::")[0] for test in self.tests))
        digest = hashlib.sha256(repr((self.tests, self.functions)).encode())
        for file in files:
            digest.update((root / file).read_bytes())
        name = self.file.removesuffix(".py").replace("/", ".")
        return SESSIONS / f"{name}-{digest.hexdigest()[:12]}.sqlite"


@dataclass(frozen=True)
class Argument:
    """Why changes of a line by some operators may survive; without a file or a line, of any."""

    operators: tuple[str, ...]
    because: str
    file: str = ""
    line: str = ""

    def holds_for(self, change: Change) -> bool:
        """Whether it speaks of this change."""
        return (
            self.file in ("", change.file)
            and self.line in ("", change.line)
            and any(fnmatch(change.operator, pattern) for pattern in self.operators)
        )


@dataclass(frozen=True)
class Change:
    """A change that survived: what cosmic-ray did to a line, and what became of it."""

    file: str
    number: int
    operator: str
    line: str
    becomes: str


@dataclass(frozen=True)
class Verdict:
    """How many changes of a module were tried, and those that survived."""

    module: Module
    tried: int
    survivors: Sequence[Change]


def read(path: Path = PURE) -> tuple[list[Module], list[Argument]]:
    """The declared modules, and what is argued."""
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    modules = [Module(**_frozen(table)) for table in document["module"]]
    return modules, [Argument(**_frozen(table)) for table in document["argument"]]


def _frozen(table: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in table.items()}


def main(words: Sequence[str] | None = None) -> int:
    """Change the modules that are asked for, all by default."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants.pure", description=__doc__)
    parser.add_argument("names", nargs="*", help="parts of names of modules (all)")
    parser.add_argument("--at-once", type=int, default=2, help="how many modules are changed at once (2)")
    asked = parser.parse_args(words)
    declared, arguments = read()
    modules = [part for part in declared if not asked.names or any(name in part.file for name in asked.names)]
    SESSIONS.mkdir(parents=True, exist_ok=True)
    unargued = 0
    with (
        tempfile.TemporaryDirectory(prefix="mutations-") as folder,
        ThreadPoolExecutor(asked.at_once) as pool,
    ):
        places = [copy(Path(folder) / str(number)) for number in range(asked.at_once)]
        for verdict in pool.map(lambda module: tried(module, places), modules):
            unargued += report(verdict, arguments)
    print(f"{len(modules)} modules: {unargued} changes have survived that nobody argues for")
    return 1 if unargued else 0


def tried(module: Module, places: list[Path]) -> Verdict:
    """Change a module in a copy that is free, in each way that was not tried yet, and run its tests."""
    place = places.pop()
    session = module.session(place)
    try:
        with tempfile.TemporaryDirectory(prefix="warm-") as folder:
            socket, configuration = Path(folder) / "socket", Path(folder) / "mutations.toml"
            knock = Path(__file__).with_name("knock.py")
            configuration.write_text(
                _CONFIGURATION.format(
                    file=module.file, seconds=_MOST_SECONDS, python=sys.executable, knock=knock, socket=socket
                )
            )
            if not session.exists():
                _begun(module, place, configuration, session)
            with _warm(module, place, socket):
                _ran(place, BIN / "cosmic-ray", "exec", configuration, session)
    finally:
        places.append(place)
    results = [json.loads(line) for line in _ran(place, BIN / "cosmic-ray", "dump", session).splitlines()]
    outcomes = [(item["mutations"][0], result) for item, result in results]
    survivors = [_change(item, result) for item, result in outcomes if result["test_outcome"] == "survived"]
    count = sum(result["test_outcome"] is not None for _, result in outcomes)
    return Verdict(module, count, sorted(survivors, key=lambda change: (change.number, change.operator)))


def _begun(module: Module, place: Path, configuration: Path, session: Path) -> None:
    """Make the session of a module, in place of those of its former words."""
    for former in SESSIONS.glob(f"{session.name.rpartition('-')[0]}-*.sqlite"):
        former.unlink()
    unfinished = session.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    _ran(place, BIN / "cosmic-ray", "init", configuration, unfinished)
    _ran(place, BIN / "python", "-m", "tests.mutants.left_out", unfinished, *module.functions)
    unfinished.rename(session)


@contextmanager
def _warm(module: Module, place: Path, socket: Path) -> Iterator[None]:
    """The process that runs the tests of a module in a copy, as long as it is needed."""
    command = [sys.executable, "-m", "tests.mutants.warm", str(socket), module.file, *module.tests]
    with subprocess.Popen(
        command, cwd=place, env=_environment(place), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            for line in process.stdout or ():
                if line == "warm\n":
                    break
            else:
                raise RuntimeError(f"{module.file}: its tests fail before anything is changed")
            yield
        finally:
            process.terminate()


def _change(item: dict[str, Any], result: dict[str, Any]) -> Change:
    lines = result["diff"].splitlines()
    taken, put = (
        " ".join(line[1:].strip() for line in lines if line[:1] == sign and line[:3] != 3 * sign).strip()
        for sign in "-+"
    )
    operator = item["operator_name"].removeprefix("core/")
    return Change(item["module_path"], item["start_pos"][0], operator, taken, put)


def report(verdict: Verdict, arguments: Sequence[Argument]) -> int:
    """Print who has survived, and return how many of them nobody argues for."""
    survivors, file = verdict.survivors, verdict.module.file
    unargued = [change for change in survivors if not any(part.holds_for(change) for part in arguments)]
    argued = len(survivors) - len(unargued)
    print(f"{file}: {verdict.tried} changes, {argued} argued for, {len(unargued)} survivors", flush=True)
    for change in unargued:
        print(f"  {change.number}: {change.operator}\n    {change.line}\n    {change.becomes}", flush=True)
    for part in arguments:
        if part.file == file and not any(map(part.holds_for, survivors)):
            print(f"  no longer needed: the argument for {part.line}")
    return len(unargued)


def _environment(place: Path) -> dict[str, str]:
    environment = {**os.environ, "PYTHONPATH": str(place)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def _ran(place: Path, *words: str | Path) -> str:
    return subprocess.run(
        words, cwd=place, env=_environment(place), check=True, stdout=subprocess.PIPE, text=True
    ).stdout


if __name__ == "__main__":
    sys.exit(main())
