"""Packages beside the recipes: those of steps, hooks and migrations that are not installed."""

from __future__ import annotations

import sys
from pathlib import Path


def make_importable(folder: Path) -> None:
    """Have Python find what stands beside the recipes, after everything that is installed."""
    if str(folder) not in sys.path:
        # At the end: a recipes folder adds modules and never replaces one.
        sys.path.append(str(folder))
