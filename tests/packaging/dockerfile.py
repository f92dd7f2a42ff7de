"""Carries out the build stage of the Dockerfile in a folder, without an engine."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path


def steps(text: str) -> Iterator[tuple[str, list[str]]]:
    """The instructions of the first stage, as (keyword, words)."""
    for line in text.replace("\\\n", " ").splitlines():
        keyword, _, rest = line.strip().partition(" ")
        if keyword == "FROM" and " AS " not in f" {rest} ":
            return
        if keyword and not keyword.startswith("#"):
            yield keyword, shlex.split(rest)


def is_ignored(name: str, text: str) -> bool:
    """Whether .dockerignore keeps a file or folder of the top level out of the build."""
    ignored = False
    for line in text.splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#") and fnmatch(name, pattern.removeprefix("!")):
            ignored = not pattern.startswith("!")
    return ignored


def build(root: Path, place: Path, run: Callable[..., object]) -> None:
    """Copy and run as the build stage says, with /app and /venv below `place`."""
    app, venv = place / "app", place / "venv"
    app.mkdir(parents=True)
    ignore = (root / ".dockerignore").read_text()
    for keyword, words in steps((root / "Dockerfile").read_text()):
        if keyword == "COPY":
            *sources, target = words
            for source in sources:
                assert not is_ignored(source, ignore), (
                    f".dockerignore hides {source}, which the Dockerfile copies"
                )
                _copy(root / source, app / target / source if target == "./" else app / target)
        elif keyword == "RUN":
            program, *arguments = [word.replace("/venv", str(venv)) for word in words]
            known = {"python": sys.executable, "pip": str(venv / "bin" / "pip")}
            run(known[program], *arguments, cwd=app)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        shutil.copyfile(source, target)
