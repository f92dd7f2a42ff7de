"""Write a new job type for `hms recipe new`: it runs as it is, and is changed into yours."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template

from hms_oms.recipes import recipe_schema

_TEMPLATES = Path(__file__).parent / "templates"
#: What is written where; names are filled in as the texts are.
_FILES = {
    "recipe.toml": "$slug.toml",
    "__init__.py": "$package/__init__.py",
    "steps.py": "$package/steps.py",
    "hooks.py": "$package/hooks.py",
    "migration.sql": "$package/migrations/0001_decisions.sql",
    "test_steps.py": "$package/test_steps.py",
    "conftest.py": "conftest.py",
}
#: One for all job types of a folder.
_SHARED = frozenset({"conftest.py"})


def is_job_type(text: str) -> bool:
    """Whether a text can be the name of a job type."""
    return re.search(recipe_schema.SCHEMA["properties"]["type"]["pattern"], text) is not None


def files(job_type: str) -> dict[Path, str]:
    """The files of a new job type by their place in the folder of recipes."""
    names = _names(job_type)
    return {
        Path(Template(place).substitute(names)): Template(_text(name)).substitute(names)
        for name, place in _FILES.items()
    }


def missing(folder: Path, job_type: str) -> dict[Path, str]:
    """The files that are to be written. Raises FileExistsError naming one that would be overwritten."""
    written = {}
    shared = {Path(name) for name in _SHARED}
    for place, text in files(job_type).items():
        if not (folder / place).exists():
            written[place] = text
        elif place not in shared:
            raise FileExistsError(str(folder / place))
    return written


def _names(job_type: str) -> dict[str, str]:
    *words, version = job_type.split(":")
    # A later version is a package of its own beside the first one, whose jobs go on with theirs.
    name = "-".join(words if version == "v1" else [*words, version])
    return {
        "type": job_type,
        "slug": name,
        "package": re.sub("[^a-z0-9]", "_", name),
        "Name": " ".join(words).replace("-", " ").replace("_", " ").capitalize(),
    }


def _text(name: str) -> str:
    return (_TEMPLATES / f"{name}.template").read_text(encoding="utf-8")
