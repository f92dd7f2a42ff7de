"""Words that the project does not use: they have a plain word in its glossary, or are no plain English."""

from __future__ import annotations

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
