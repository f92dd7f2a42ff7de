"""Recipes: what a job type is made of, read from TOML or JSON files and validated whole.

A recipe names its queue, its default SLA, the payload it accepts and its steps. The ledger keeps a
snapshot of each recipe that a job was accepted under, so that a later deploy cannot change a running job.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from hms_oms.recipes import limits
from hms_oms.recipes.checks import document_faults
from hms_oms.recipes.packages import beside, installed
from hms_oms.recipes.schedules.written import ScheduleSpec
from hms_oms.recipes.steps import step as steps
from hms_oms.recipes.steps.step import Step
from hms_oms.runtime import text_decoding
from hms_oms.runtime.errors import ConfigError, UnknownJobType


@dataclass(frozen=True)
class Column:
    """A column of an intake file and the payload field that it fills."""

    name: str
    field: str
    kind: str = "text"


@dataclass(frozen=True)
class Recipe:
    """A job type as its file describes it; `module` is the Python module in which its steps are."""

    type: str
    queue: str
    sla_minutes: float
    steps: tuple[Step, ...]
    payload: Mapping[str, Any]
    key: str | None = None
    summary: str = ""
    module: str | None = None
    columns: tuple[Column, ...] = ()
    #: For how long what finished jobs leave behind is kept, as it is written; the settings say the rest.
    retention: Mapping[str, str] = field(default_factory=dict)
    #: The field of the payload that tells how much work a job is; its time is measured by that.
    size: str | None = None
    #: Whether its jobs are never given up for others.
    must: bool = False
    #: When jobs or cycles of the type are started by themselves.
    schedules: tuple[ScheduleSpec, ...] = ()
    limit: limits.Limit | None = None
    #: The fields of the payload that lists show, and by which jobs are found.
    show: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The job type without its version."""
        return self.type.rpartition(":")[0]

    def step(self, name: str) -> Step:
        """The step of this name. Raises KeyError where there is none."""
        return self.steps[self.index(name)]

    def work(self, position: int, part: int | None) -> Step:
        """What is run at a step: the branch of it that a job does which is a part, or the step itself."""
        step = self.steps[position]
        return step if part is None or step.branches is None else step.branches[part]

    def index(self, name: str) -> int:
        """The position of the step of this name, from 0. Raises KeyError where there is none."""
        for position, step in enumerate(self.steps):
            if step.name == name:
                return position
        raise KeyError(name)

    @property
    def works(self) -> tuple[Step, ...]:
        """What is run of each step, one after the other: of one with branches those."""
        return tuple(work for step in self.steps for work in step.works)

    @property
    def queues(self) -> tuple[str, ...]:
        """Every queue that a step of this recipe waits in, the recipe's own first."""
        waiting = [*self.steps, *self.works]
        return tuple(dict.fromkeys([self.queue, *(step.queue for step in waiting)]))

    def as_document(self) -> dict[str, Any]:
        """The recipe as plain JSON, the form in which the ledger keeps its snapshot.

        What is no part of how a job is done is left out: it holds for all jobs of the type from now on.
        """
        document: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        for name in _NOT_KEPT:
            del document[name]
        document["steps"] = [step.as_document() for step in self.steps]
        return document

    @property
    def digest(self) -> str:
        """A fingerprint of the whole content: equal recipes have equal digests."""
        text = json.dumps(self.as_document(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Recipe:
        """The inverse of `as_document`."""
        steps = tuple(map(Step.from_document, document["steps"]))
        columns = tuple(Column(**column) for column in document["columns"])
        return cls(**{**document, "steps": steps, "columns": columns})


Recipes = Mapping[str, Recipe]

#: What a snapshot does not need: a job has what it was accepted with, and retention is looked up later.
_NOT_KEPT = ("retention", "size", "must", "schedules", "limit", "show")


def load_folder(folder: Path) -> dict[str, Recipe]:
    """Read every `*.toml` and `*.json` recipe in `folder`, and those of installed packages, by job type.

    Packages beside them can be imported from then on. Raises ConfigError listing all faults of all files.
    """
    beside.make_importable(folder)
    faults: list[str] = []
    recipes: dict[str, Recipe] = {}
    paths = [("", path) for path in _files(folder)]
    for package, place in installed.folders(faults):
        paths += [(f"{package}: ", path) for path in _files(place)]
    if not paths:
        faults.append(f"{folder} holds no recipe (*.toml or *.json)")
    for owner, path in paths:
        try:
            recipe = load_file(path)
        except ConfigError as error:
            faults.extend(owner + fault for fault in error.faults)
            continue
        if recipe.type in recipes:
            faults.append(f"{owner}{path.name}: type: {recipe.type} is described by another file too")
        named = {spec.name for known in recipes.values() for spec in known.schedules}
        faults += [
            f"{owner}{path.name}: schedule: {spec.name} is the name of another file's schedule too"
            for spec in recipe.schedules
            if spec.name in named
        ]
        recipes[recipe.type] = recipe
    if faults:
        raise ConfigError(faults)
    return recipes


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in (".toml", ".json"))


def load_file(path: Path) -> Recipe:
    """Read one recipe file. Raises ConfigError with every fault, each naming the file and the field."""
    try:
        text = text_decoding.decode(path.read_bytes())
        document = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        raise ConfigError([f"{path.name}: cannot be read: {error}"]) from None
    return parse(document, path.name)


def parse(document: Any, source: str) -> Recipe:
    """Build a recipe from a parsed file. Raises ConfigError with every fault, prefixed by `source`."""
    faults = [f"{source}: {fault}" for fault in document_faults.of(document)]
    if faults:
        raise ConfigError(faults)
    queue = document["queue"]
    return Recipe(
        type=document["type"],
        queue=queue,
        sla_minutes=float(document["sla_minutes"]),
        key=document.get("key"),
        summary=document.get("summary", ""),
        module=document.get("module"),
        payload=document["payload"],
        columns=tuple(
            Column(column["name"], column.get("field", column["name"]), column.get("kind", "text"))
            for column in document.get("columns", ())
        ),
        steps=tuple(steps.of(step, queue) for step in document["steps"]),
        retention=document.get("retention", {}),
        size=document.get("size"),
        must=document.get("must", False),
        schedules=tuple(map(ScheduleSpec.of, document.get("schedule", ()))),
        limit=limits.read(document.get("limit")),
        show=tuple(document.get("show", ())),
    )


def find(recipes: Recipes, job_type: str) -> Recipe:
    """The recipe of a job type. Raises UnknownJobType naming those that exist."""
    try:
        return recipes[job_type]
    except KeyError:
        raise UnknownJobType(job_type, sorted(recipes)) from None
