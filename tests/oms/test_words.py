"""Words that the project does not use: they have a plain word in its glossary, or are no plain English."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: A word, and what is written instead.
AVOIDED = {
    "in vain": "needlessly, without an answer",
    "for ever": "forever, for good",
    "shall": "must, should, will",
    "anew": "again",
    "whoever": "anyone who, the person who",
    "of one's own": "of its own",
    "door": "API",
    "keel": "bottom layer",
    "diary": "event log",
    "diaries": "event logs",
    "ladder": "escalation policy",
    "in hand": "acknowledged",
    "comes and goes": "flaps",
    "nobody was told": "nobody knows",
}
#: What names a moment of the telling and not a thing: locals have nouns.
NO_NOUNS = {"found", "wanted", "told", "came"}
PACKAGES = ("hms_oms", "hms_act", "hms_ops", "hms_floor", "workers")
FILES = ("*.py", "*.md", "*.sql", "*.toml", "*.yml", "*.js", "setup.cfg", "Makefile")


@pytest.mark.parametrize("word", AVOIDED)
def test_a_word_is_not_used(word: str) -> None:
    """Neither code, nor tests, nor documents have it."""
    here = Path(__file__).relative_to(ROOT)
    names = subprocess.run(
        ["git", "ls-files", *FILES], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])", re.IGNORECASE)
    uses = [
        f"{name}:{number}: {line.strip()}"
        for name in names
        if name != str(here) and "/migrations/" not in name and (ROOT / name).is_file()
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").splitlines(), 1)
        if pattern.search(line)
    ]
    assert uses == [], f"instead of {word!r}: {AVOIDED[word]}"


def test_locals_are_nouns() -> None:
    """No function calls a thing `found`, `wanted`, `told` or `came`, nor its parameters."""
    uses = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {name}"
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in [_bound(node)]
        if name in NO_NOUNS
    ]
    assert uses == []


def _bound(node: ast.AST) -> str | None:
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return node.id
    return node.arg if isinstance(node, ast.arg) else None
