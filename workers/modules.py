"""Load the step modules of a set of recipes, and check that every step exists."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path

from hms_oms.recipes.packages import beside
from hms_oms.recipes.recipes import Recipe, Recipes
from hms_oms.runtime.errors import ConfigError
from workers import step

_OURS = Path(__file__).resolve().parent / "__init__.py"


def load(known: Recipes, folder: Path) -> None:
    """Import the step modules of `known`; those in the recipes' `folder` are found as well.

    Raises ConfigError with every fault at once: a module that cannot be imported, a step that no function
    is marked for, a package `workers` of somebody else in front of ours.
    """
    foreign = _foreign()
    if foreign is not None:
        raise ConfigError([foreign])
    beside.make_importable(folder)
    faults = [fault for module in _modules(known) for fault in _import(module, known, folder)]
    faults += [fault for recipe in known.values() for fault in _missing(recipe)] if not faults else []
    if faults:
        raise ConfigError(faults)


def _foreign() -> str | None:
    spec = importlib.util.find_spec("workers")
    origin = spec.origin if spec is not None else None
    if origin is not None and Path(origin).resolve() == _OURS:
        return None
    return (
        f"the name `workers` leads to {origin or 'a raw folder'}, not to {_OURS}: start from"
        " another folder or take it off PYTHONPATH; `hms worker run` starts a worker from anywhere"
    )


def _modules(known: Recipes) -> list[str]:
    return sorted({recipe.module for recipe in known.values() if recipe.module})


def _import(module: str, known: Recipes, folder: Path) -> Iterator[str]:
    types = ", ".join(recipe.type for recipe in known.values() if recipe.module == module)
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
            yield (
                f"{types}: module {module} is not found; put it beside the recipes in {folder},"
                " or install it into this environment"
            )
        else:
            yield f"{types}: module {module} needs {error.name}, which is not installed"
    except Exception as error:  # noqa: BLE001 -- anything may happen in somebody else's module
        yield f"{types}: module {module} cannot be imported: {type(error).__name__}: {error}"


def _missing(recipe: Recipe) -> Iterator[str]:
    for declared in recipe.works:
        if declared.by == "worker" and declared.run not in step.registered:
            yield (
                f"{recipe.type}: step {declared.name}: no function is marked @step({declared.run!r}); "
                f"{recipe.module or 'no module'} has {_marked(recipe.module)}"
            )


def _marked(module: str | None) -> str:
    names = [name for name, function in step.registered.items() if function.__module__ == module]
    return ", ".join(names) or "none"
