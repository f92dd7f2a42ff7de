"""Recipes of installed packages: each names its folder of them as an entry point of `hms.recipes`."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

GROUP = "hms.recipes"


def folders(faults: list[str]) -> Iterator[tuple[str, Path]]:
    """The folders, each with the name of its package; what cannot be found is added to `faults`."""
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        package, named = (point.dist.name if point.dist else point.name), f"{point.name} = {point.value}"
        folder = _folder(point)
        if folder is None:
            faults.append(f"{package}: its entry point {GROUP}, {named}, is no package that is here")
        else:
            yield package, folder


def _folder(point: EntryPoint) -> Path | None:
    try:
        spec = importlib.util.find_spec(point.value)
    except (ImportError, ValueError):
        return None
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) if places else None
