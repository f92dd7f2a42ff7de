"""What the package of a job type adds to the product's own commands.

A package whose steps a recipe names as `module = "package.steps"` may have a module `package.hooks` with
`HOOKS`. The product itself knows no job type: it asks here.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TextIO

from hms_oms.database.connections import RawConnection
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.errors import UnknownJobType

#: Writes a file with so many requests to try, the same for the same seed.
Sample = Callable[[TextIO, int, int, date], None]


@dataclass(frozen=True)
class Hooks:
    """The hooks of a package; by job type those that differ between its types.

    `prepare` brings what the package keeps in the database up to date, in the caller's transaction, and
    returns how much of what is new or changed. `outcomes` are in every report, also when no job has them.
    """

    prepare: Callable[[RawConnection], Mapping[str, int]] | None = None
    samples: Mapping[str, Sample] = field(default_factory=dict)
    outcomes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


NONE = Hooks()


def of(recipe: Recipe) -> Hooks:
    """The hooks of a job type's package."""
    return _load((recipe.module or "").rpartition(".")[0])


def outcomes(recipe: Recipe | None) -> tuple[str, ...]:
    """The outcomes that a report tells always; of a job type that is not known any more, none."""
    return () if recipe is None else of(recipe).outcomes.get(recipe.type, ())


def sample(known: Mapping[str, Recipe], job_type: str | None) -> tuple[str, Sample]:
    """What writes a sample of a job type, or of the first one that has any. Raises UnknownJobType."""
    samples = {recipe.type: of(recipe).samples.get(recipe.type) for recipe in known.values()}
    for name, write in samples.items():
        if write is not None and job_type in (None, name):
            return name, write
    raise UnknownJobType(job_type or "with a sample", [name for name, write in samples.items() if write])


def prepare(connection: RawConnection, known: Iterable[Recipe]) -> Mapping[str, int]:
    """Prepare the database for the packages of these job types, each once."""
    every = dict.fromkeys(of(recipe).prepare for recipe in known)
    return {what: number for hook in every if hook for what, number in hook(connection).items()}


@functools.cache
def _load(package: str) -> Hooks:
    if not package:
        return NONE
    name = f"{package}.hooks"
    try:
        hooks: Hooks = importlib.import_module(name).HOOKS
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            return NONE
        raise
    return hooks
