"""Check a folder of recipes for `hms recipe check`: every fault at once, before anything is started."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path

from hms_act.files import csv_rows
from hms_act.files.csv_rows import Refusal
from hms_floor.cli.installation.checks.finding import Finding
from hms_oms.recipes import hooks, recipes
from hms_oms.recipes.hooks import Hooks, Sample
from hms_oms.recipes.recipes import Recipe, Recipes
from hms_oms.runtime.errors import ConfigError, HmsError
from hms_ops.health import BAD, OK, WARN
from workers import modules, step

#: Rows of a package's own sample that are tried.
SAMPLE_ROWS = 50
_MIGRATION = re.compile(r"[0-9]{4}_[a-z0-9_]+\.sql")


def findings(folder: Path) -> list[Finding]:
    """What is wrong with the recipes of a folder, their modules and their packages, and what is well."""
    try:
        known = recipes.load_folder(folder)
    except ConfigError as error:
        return [Finding("file", BAD, fault, f"correct it in {folder}") for fault in error.faults]
    except OSError as error:
        return [Finding("folder", BAD, f"{folder} cannot be read: {error.strerror}", "name another FOLDER")]
    try:
        modules.load(known, folder)
    except ConfigError as error:
        return [Finding("steps", BAD, fault) for fault in error.faults]
    faults = [*_of_queues(known), *_of_packages(known)]
    for recipe in known.values():
        faults += [*_of_retries(recipe), *_of_columns(recipe), *_of_sample(recipe)]
    faults += _unused(known)
    return [*(Finding(recipe.type, OK, _summary(recipe)) for recipe in known.values()), *faults]


def _summary(recipe: Recipe) -> str:
    agents = sum(step.by == "agent" for step in recipe.steps)
    parts = [f"{_number(len(recipe.steps), 'step')}" + (f" ({agents} by agents)" if agents else "")]
    parts.append(f"queue {recipe.queue}, {recipe.sla_minutes:g} minutes")
    if recipe.columns:
        parts.append(_number(len(recipe.columns), "column"))
    migrations = hooks.of(recipe).migrations
    if migrations is not None:
        parts.append(_number(len(list(migrations.glob("*.sql"))), "migration"))
    return ", ".join(parts)


def _of_queues(known: Recipes) -> Iterator[Finding]:
    """Queues in which both workers and agents would look for work."""
    by: dict[str, set[str]] = {}
    for recipe in known.values():
        for declared in recipe.works:
            if declared.by in ("worker", "agent"):
                by.setdefault(declared.queue, set()).add(declared.by)
    for queue, kinds in by.items():
        if len(kinds) > 1:
            advice = "give the steps of agents a queue of their own"
            yield Finding("queues", WARN, f"queue {queue} holds steps of workers and of agents", advice)


def _of_retries(recipe: Recipe) -> Iterator[Finding]:
    """Waits that are not what they seem, and exceptions that nothing which was imported knows."""
    known = {kind.__name__ for kind in _subclasses(BaseException)}
    for declared in recipe.works:
        if declared.retry.base_seconds > declared.retry.max_seconds:
            detail = f"step {declared.name}: retry.base_seconds exceeds max_seconds, which is then waited"
            yield Finding(recipe.type, WARN, detail, "set max_seconds as well; it is 300 by default")
        for name in declared.retry.errors:
            if name not in known:
                detail = f"step {declared.name}: retry.errors names {name}, and there is no such exception"
                yield Finding(recipe.type, WARN, detail, "name its class alone, as in ConnectionError")


def _subclasses(of: type[BaseException]) -> Iterator[type[BaseException]]:
    for kind in of.__subclasses__():
        yield kind
        yield from _subclasses(kind)


def _of_columns(recipe: Recipe) -> Iterator[Finding]:
    """Required fields that no column of a file fills."""
    filled = {column.field for column in recipe.columns}
    missing = [name for name in recipe.payload.get("required", ()) if name not in filled]
    if recipe.columns and missing:
        detail = f"no column fills {', '.join(missing)}, which the payload requires, so no row is accepted"
        yield Finding(recipe.type, BAD, detail, "add the column, or take the field off `required`")


def _of_packages(known: Recipes) -> Iterator[Finding]:
    for package, declared in hooks.packages(known.values()).items():
        yield from _of_migrations(package, declared)
        names = [*declared.samples, *declared.outcomes]
        for name in dict.fromkeys(names):
            if name not in known:
                yield Finding("hooks", BAD, f"{package}.hooks names {name}, which no recipe describes")


def _of_migrations(package: str, declared: Hooks) -> Iterator[Finding]:
    folder = declared.migrations
    if folder is None:
        return
    if not folder.is_dir():
        yield Finding("hooks", BAD, f"{package}.hooks: migrations: {folder} is no folder")
        return
    files = sorted(path.name for path in folder.glob("*.sql"))
    for name in files:
        if not _MIGRATION.fullmatch(name):
            yield Finding(
                "hooks", BAD, f"{package}: {name} is not named like 0001_word.sql, and would be left out"
            )
    numbers = [name[:4] for name in files if _MIGRATION.fullmatch(name)]
    for number in sorted({number for number in numbers if numbers.count(number) > 1}):
        yield Finding("hooks", BAD, f"{package}: two migrations are numbered {number}; one would be left out")


def _of_sample(recipe: Recipe) -> Iterator[Finding]:
    """Rows of the package's own sample that its own recipe refuses."""
    write = hooks.of(recipe).samples.get(recipe.type)
    if write is None:
        return
    try:
        refused = _refused(recipe, write)
    except Exception as error:  # noqa: BLE001 -- anything may happen in somebody else's function
        yield Finding(recipe.type, BAD, f"its sample cannot be made: {type(error).__name__}: {error}")
        return
    # Some are meant to be refused: a sample shows what happens to them.
    if len(refused) > SAMPLE_ROWS // 2:
        first = f"line {refused[0].line}: {refused[0].field} {refused[0].reason}"
        yield Finding(
            recipe.type, BAD, f"{len(refused)} of {SAMPLE_ROWS} rows of its sample are refused; {first}"
        )


def _refused(recipe: Recipe, write: Sample) -> list[Refusal]:
    file = io.StringIO()
    write(file, SAMPLE_ROWS, 7, date(2026, 1, 5))
    stream = io.BytesIO(file.getvalue().encode())
    try:
        return [row for row in csv_rows.read(stream, recipe) if isinstance(row, Refusal)]
    except HmsError as error:
        raise ValueError(str(error)) from None


def _unused(known: Recipes) -> Iterator[Finding]:
    """Functions that are marked as steps and that no recipe runs."""
    used = {declared.run for recipe in known.values() for declared in recipe.works}
    named = {recipe.module for recipe in known.values()}
    for name in _marked(step.registered, named):
        if name not in used:
            yield Finding(
                "steps", WARN, f"no recipe runs the step {name}", "name it as `run` of a step, or remove it"
            )


def _marked(registered: Mapping[str, step.StepFunction], named: Iterable[str | None]) -> list[str]:
    return [name for name, function in registered.items() if function.__module__ in set(named)]


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")
