"""Hooks: additions of a job type's package to the product's own commands.

A package whose steps a recipe names as `module = "package.steps"` may have a module `package.hooks` with
`HOOKS`. The product itself knows no job type: it asks here.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TextIO

from hms_oms.database.connections import RawConnection
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.errors import UnknownJobType

#: Writes a file with so many requests to try, the same for the same seed.
Sample = Callable[[TextIO, int, int, date], None]


@dataclass(frozen=True)
class Hooks:
    """The hooks of a package; by job type those that differ between its types.

    `migrations` is a folder of SQL files, `0001_word.sql` and so on, that make the package's own tables in a
    schema of its own; `rights` names what each kind of process may do with these tables (see hms_oms.grants).
    `prepare` brings what the package keeps in them up to date, in the caller's transaction, and returns how
    much of what is new or changed. `outcomes` are in every report, also when no job has them.
    """

    migrations: Path | None = None
    rights: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    prepare: Callable[[RawConnection], Mapping[str, int]] | None = None
    samples: Mapping[str, Sample] = field(default_factory=dict)
    outcomes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


NONE = Hooks()


def of(recipe: Recipe) -> Hooks:
    """The hooks of a job type's package."""
    return _load(_package(recipe))


def outcomes(recipe: Recipe | None) -> tuple[str, ...]:
    """The outcomes that a report tells always; of a job type that is not known any more, none."""
    return () if recipe is None else of(recipe).outcomes.get(recipe.type, ())


def sample(known: Mapping[str, Recipe], job_type: str | None) -> tuple[str, Sample]:
    """What writes a sample of a job type, or of the first one that has any. Raises UnknownJobType."""
    samples = sampled(known)
    for name, write in samples.items():
        if job_type in (None, name):
            return name, write
    raise UnknownJobType(job_type or "with a sample", list(samples))


def sampled(known: Mapping[str, Recipe]) -> Mapping[str, Sample]:
    """The job types that have a sample, with what writes it."""
    samples = {recipe.type: of(recipe).samples.get(recipe.type) for recipe in known.values()}
    return {name: write for name, write in samples.items() if write is not None}


def packages(known: Iterable[Recipe]) -> Mapping[str, Hooks]:
    """The hooks of the packages of these job types, by package."""
    names = sorted({_package(recipe) for recipe in known})
    return {name: _load(name) for name in names}


def prepare(connection: RawConnection, known: Iterable[Recipe]) -> Mapping[str, int]:
    """Prepare the database for the packages of these job types, each once."""
    every = (declared.prepare for declared in packages(known).values())
    return {what: number for hook in every if hook for what, number in hook(connection).items()}


def _package(recipe: Recipe) -> str:
    return (recipe.module or "").rpartition(".")[0]


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
