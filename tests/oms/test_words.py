"""Words that the project does not use: they have a plain word in its glossary, or are no plain English."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

#: One process of several reads all the files.
pytestmark = pytest.mark.xdist_group("words")
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
    "tally": "counts",
    "deeds": "actions",
    "crew": "workers",
}
#: Parts of names, and the word of the field for each: `worker_count`, not `crew_size`.
AVOIDED_IN_NAMES = {
    "tally": "counts, stats",
    "promise": "deadline, SLA",
    "pace": "throughput, rate",
    "duty": "daemon",
    "deed": "action",
    "heard": "received, recorded",
    "unheard": "silent",
    "crew": "workers",
    "hands": "workers",
    "attainment": "SLA report",
}
#: What names a moment of the telling and not a thing: locals have nouns.
NO_NOUNS = {"found", "wanted", "told", "came", "seen", "each", "one"}
PACKAGES = ("hms", "hms_oms", "hms_act", "hms_ops", "hms_floor", "workers")
FILES = ("*.py", "*.md", "*.sql", "*.toml", "*.yml", "*.js", "setup.cfg", "Makefile")


@pytest.mark.parametrize("word", AVOIDED)
def test_a_word_is_not_used(word: str) -> None:
    """Neither code, nor tests, nor documents have it."""
    pattern = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
    uses = [
        f"{name}:{number}: {line.strip()}"
        for name, text in _texts().items()
        if word in text
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert uses == [], f"instead of {word!r}: {AVOIDED[word]}"


def test_locals_are_nouns() -> None:
    """No function of the product or of a test calls a thing `found`, `told` or `each`, nor its parameters."""
    uses = [
        f"{path}:{line}: {name}" for path, line, name, is_local in _names() if is_local and name in NO_NOUNS
    ]
    assert uses == []


@pytest.mark.parametrize("word", AVOIDED_IN_NAMES)
def test_a_word_is_in_no_name(word: str) -> None:
    """No module, class, function, variable or field of ours has it, nor has a test or a benchmark."""
    plural = rf"{word[:-1]}(y|ies|ied)" if word.endswith("y") else rf"{word}(s|d|ed)?"
    part = re.compile(rf"(?<![a-z]){plural}(?![a-z])", re.IGNORECASE)
    uses = [
        f"{path}:{line}: {name}"
        for path, line, name, _ in _names()
        if word[:-1] in name.lower() and part.search(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name))
    ]
    assert uses == [], f"instead of {word!r}: {AVOIDED_IN_NAMES[word]}"


@cache
def _texts() -> Mapping[str, str]:
    """Text files of the project in lower case, by their names; migrations stay as they were written."""
    here = str(Path(__file__).relative_to(ROOT))
    names = subprocess.run(
        ["git", "ls-files", *FILES], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    return {
        name: (ROOT / name).read_text(encoding="utf-8").lower()
        for name in names
        if name != here and "/migrations/" not in name and (ROOT / name).is_file()
    }


@cache
def _names() -> Sequence[tuple[str, int, str, bool]]:
    """Names that modules have and give: the module, the line, the name, and whether it is a local."""
    return [
        (str(path.relative_to(ROOT)), line, name, is_local)
        for folder in (*PACKAGES, "tests", "benchmarks")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "migrations" not in path.parts
        for line, name, is_local in [
            (1, path.stem, False),
            *_given(ast.parse(path.read_text(encoding="utf-8"))),
        ]
    ]


def _given(tree: ast.Module) -> Iterator[tuple[int, str, bool]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name, False
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr, False
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id, True
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg, True
