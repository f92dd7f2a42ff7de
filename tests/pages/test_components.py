"""Components of pages: what runs in the browser stands beside the module that names it."""

from __future__ import annotations

import re
from pathlib import Path

from hms_floor import pages


def test_every_component_has_its_script() -> None:
    """NiceGUI says nothing of one that is missing, and shows an empty element."""
    modules = list(Path(pages.__file__).parent.rglob("*.py"))
    named = [(path, name) for path in modules for name in re.findall(r'component="(\S+)"', path.read_text())]
    assert named
    assert [(path, name) for path, name in named if not (path.parent / name).is_file()] == []
