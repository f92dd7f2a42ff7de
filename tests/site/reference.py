"""Pages of the reference, made of the code."""

from __future__ import annotations

import importlib
import inspect
import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from hms_floor.api import app
from hms_floor.api.access.roles import OPEN, TABLE
from hms_floor.auth import tokens
from hms_floor.cli import COMMANDS, main
from hms_oms import grants
from hms_oms.database.schema.tables import metadata
from hms_oms.diagram import mermaid
from hms_oms.jobs.states import TRANSITIONS
from hms_oms.recipes.recipe_schema import SCHEMA
from hms_oms.runtime.settings import Settings
from hms_ops.webhooks.events import EVENTS
from tests.ops.test_ops_document import metrics_table, rules_table

ROOT = Path(__file__).parents[2]


def pages() -> Mapping[str, str]:
    """Every page by its name."""
    return {
        "recipes": recipes(),
        "steps": steps(),
        "commands": commands(),
        "routes": routes(),
        "settings": settings(),
        "metrics": f"# Metrics and rules\n\n## Metrics\n\n{metrics_table()}\n## Rules\n\n{rules_table()}",
        "states": states(),
        "tables": tables(),
    }


def recipes() -> str:
    """Every key of a recipe, from its JSON Schema."""
    rows = "\n".join(_keys(SCHEMA, ""))
    return (
        "# Recipes\n\nThe keys of a recipe's file; `hms recipe schema` prints its JSON Schema.\n\n"
        f"| key | kind | default | meaning |\n|---|---|---|---|\n{rows}\n"
    )


def _keys(schema: Mapping[str, Any], prefix: str) -> Iterator[str]:
    needed = schema.get("required", ())
    for name, about in schema["properties"].items():
        default = "needed" if name in needed else _code(about["default"]) if "default" in about else ""
        yield f"| `{prefix}{name}` | {_kind(about)} | {default} | {_cell(about.get('description', ''))} |"
        inner = about.get("items", about)
        if isinstance(inner, Mapping) and "properties" in inner:
            yield from _keys(inner, f"{prefix}{name}{'[]' if 'items' in about else ''}.")


def _kind(about: Mapping[str, Any]) -> str:
    if "enum" in about:
        return " or ".join(map(_code, about["enum"]))
    if about.get("type") == "array":
        return f"list of {about['items'].get('type', 'values')}"
    bounds = [about[name] for name in ("minimum", "maximum") if name in about]
    return f"{about.get('type', 'any')}{f' {bounds[0]} to {bounds[1]}' if len(bounds) == 2 else ''}"


def steps() -> str:
    """What the package `hms` has, with its signatures."""
    package = importlib.import_module("hms")
    parts = ["# Steps and the package hms\n\n" + _text(package.__doc__)]
    for name in package.__all__:
        parts.append(_described(name, getattr(package, name)))
    testing = importlib.import_module("hms.testing")
    parts.append("## hms.testing\n\n" + _text(testing.__doc__))
    parts.append(_described("Jobs", testing.Jobs))
    return "\n\n".join(parts) + "\n"


#: Classes that a step or hook makes itself.
_MADE = ("Done", "Hooks", "Reject", "Retry")


def _described(name: str, thing: Any) -> str:
    is_class = isinstance(thing, type)
    parts = [f"## {name}\n"]
    if not is_class or name in _MADE:
        parts.append(_call(name, thing))
    parts.append(_text(thing.__doc__))
    for member, value in vars(thing).items() if is_class else ():
        function = value.fget if isinstance(value, property) else value
        if member.startswith("_") or not callable(function) or not function.__doc__:
            continue
        parts.append(f"### {name}.{member}\n")
        if not isinstance(value, property):
            parts.append(_call(member, inspect.unwrap(function)))
        parts.append(_text(function.__doc__))
    return "\n\n".join(parts)


def _call(name: str, thing: Any) -> str:
    """How something is called, without the quotes of annotations that are not evaluated."""
    arguments = str(inspect.signature(thing)).replace("'", "")
    arguments = re.sub(r"^\(self(, )?", "(", arguments).replace(" -> None", "")
    return f"```python\n{name}{arguments}\n```"


def commands() -> str:
    """Every command, as its help tells it."""
    parts = ["# Commands\n"]
    root = click.Context(main, info_name="hms", max_content_width=100, terminal_width=100)
    parts.append(f"```text\n{main.get_help(root)}\n```\n")
    for noun in COMMANDS:
        command = main.get_command(root, noun)
        assert command is not None
        parts += _command(command, noun, root, 2)
    return "\n".join(parts)


def _command(command: click.Command, name: str, parent: click.Context, level: int) -> Iterator[str]:
    context = click.Context(command, info_name=name, parent=parent, max_content_width=100, terminal_width=100)
    yield f"{'#' * level} {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for verb in command.list_commands(context):
            inner = command.get_command(context, verb)
            if inner is not None and not inner.hidden:
                yield from _command(inner, verb, context, level + 1)


def routes() -> str:
    """Every route of the API, from its OpenAPI document."""
    with tempfile.TemporaryDirectory() as home:
        tokens.make_key(Path(home))
        nowhere = {"database_url": "postgresql://nowhere/hms", "broker_url": "redis://127.0.0.1:1/0"}
        document = app.make(Settings(home=Path(home), **nowhere)).openapi()
    opening = "Of `GET /openapi.json`, which has every field of each document. Roles are those of"
    parts = [f"# Routes\n\n{opening} [badges](../api.md#badges).\n"]
    for path, operations in sorted(document["paths"].items()):
        for method, operation in operations.items():
            parts += _route(f"{method.upper()} {path}", operation)
    return "\n".join(parts)


def _route(action: str, operation: Mapping[str, Any]) -> Iterator[str]:
    roles = TABLE[action]
    who = "open to everybody" if roles == OPEN else ", ".join(sorted(roles))
    words = operation.get("description", operation.get("summary", "")).partition("\n\nRoles:")[0]
    yield f"## {action}\n\n{words}\n\nRoles: {who}.\n"
    rows = [
        f"| `{parameter['name']}` | {parameter['in']} | {_cell(parameter.get('description', ''))} |"
        for parameter in operation.get("parameters", ())
    ]
    if rows:
        yield "| parameter | in | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def settings() -> str:
    """The settings, as the README explains them."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    section = readme.split("\n## Settings\n")[1].split("\n## ")[0]
    return "# Settings\n" + re.sub(r"\]\(docs/", "](../", section)


def states() -> str:
    """The transitions of a job, and the events that webhooks tell."""
    rows = "\n".join(
        f"| {before.value} | {fact.value} | {after.value} |" for (before, fact), after in TRANSITIONS.items()
    )
    events = "\n".join(f"| `{name}` | {when} |" for name, when in EVENTS.items())
    return (
        f"# States and events\n\n```mermaid\n{mermaid()}\n```\n\n"
        f"| before | what happens | after |\n|---|---|---|\n{rows}\n\n"
        f"## Events for webhooks\n\n| event | when |\n|---|---|\n{events}\n"
    )


def tables() -> str:
    """The tables with the rights of each kind of process, and the columns of those that SQLAlchemy knows."""
    roles = list(grants.ROLES)
    names = sorted({table for rights in grants.ROLES.values() for table in rights.tables})
    rows = [
        f"| `{name}` | {' | '.join(grants.ROLES[role].tables.get(name, '') for role in roles)} |"
        for name in names
    ]
    parts = [
        "# Tables and rights\n\nWhat each kind of process may do; `hms db grants` gives these rights.\n",
        f"| table | {' | '.join(roles)} |\n|---|{'---|' * len(roles)}\n" + "\n".join(rows) + "\n",
    ]
    for name, table in sorted(metadata.tables.items()):
        columns = "\n".join(
            f"| `{column.name}` | {column.type} | {'' if column.nullable else 'not null'} |"
            for column in table.columns
        )
        parts.append(f"## {name}\n\n| column | type | |\n|---|---|---|\n{columns}\n")
    return "\n".join(parts)


def _text(words: str | None) -> str:
    return inspect.cleandoc(words or "")


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|")


def _code(value: Any) -> str:
    return f"`{value}`"
