"""Hooks of mkdocs: the overview out of the README, and the reference out of the code."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT))

from tests.site import reference  # noqa: E402 -- mkdocs loads this file by its path


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made."""
    for name, page in reference.pages().items():
        files.append(File.generated(config, f"reference/{name}.md", content=page))
    files.append(File.generated(config, "index.md", content=overview()))
    return files


def overview() -> str:
    """The README, with its links as they are from the folder of the documents."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    # What is no document is only in the repository.
    text = re.sub(r"\[([^\]]*)\]\((?!https?:|#|docs/)[^)]*\)", r"\1", text)
    text = re.sub(r"\]\(docs/", "](", text)
    return re.sub(r'src="docs/', 'src="', text)
