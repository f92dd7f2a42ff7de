"""Celery's settings of this product, read from the celeryconfig.py that was installed with it.

Every Celery project has a `celeryconfig`, so an import by that name would take the one of the current folder.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from types import ModuleType

#: The folder that holds the packages, `celeryconfig.py` and `flowerconfig.py`.
ROOT = Path(__file__).resolve().parent.parent.parent


def load() -> ModuleType:
    """Return the installed celeryconfig as a module, whatever else is called so on the import path."""
    spec = importlib.util.spec_from_file_location("hms_celeryconfig", ROOT / "celeryconfig.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def choose_flower_settings() -> None:
    """Have Flower in this process read the installed flowerconfig.py, unless FLOWER_CONF names another file.

    Flower itself looks for one in the current folder only, and runs without a sign-in if there is none.
    """
    os.environ.setdefault("FLOWER_CONF", str(ROOT / "flowerconfig.py"))
