"""`hms recipe`: job types, and recipes of your own before they are used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from rich.console import RenderableType
from rich.text import Text

from hms_floor.cli import names
from hms_floor.cli.installation import check
from hms_floor.cli.installation.checks.finding import Finding
from hms_floor.cli.terminal import api_client, errors, show, tables
from hms_floor.cli.verbs import Verbs
from hms_oms.api.codec import document
from hms_oms.recipes.retention.personal_data import is_personal
from hms_ops.health import BAD, WARN


@click.group(cls=Verbs, same={"get": "show"})
def recipe() -> None:
    """See job types; check and write recipes of your own."""


@recipe.command("list")
@show.json_option
def list_recipes(as_json: bool) -> None:
    """List the job types that can be started here.

    \b
    Example:  hms recipe list
    """
    types = api_client.oms().job_types()
    if as_json:
        show.print_json([document(job_type) for job_type in types])
        return
    headers = ["type", "queue", "SLA", "key", "steps", "what it is"]
    rows = [
        [
            job_type.type,
            job_type.queue,
            show.minutes(job_type.sla_minutes),
            job_type.key or "-",
            ", ".join(job_type.steps),
            job_type.summary,
        ]
        for job_type in types
    ]
    show.lines(
        tables.table(headers, rows, right=["SLA"], wide=["steps", "what it is"], spare=["key", "what it is"])
    )


@recipe.command("show")
@click.argument("job_type", metavar="TYPE", shell_complete=names.job_types)
@show.json_option
def show_recipe(job_type: str, as_json: bool) -> None:
    """Show a job type: its queue, its steps, and what its payload must hold.

    \b
    Example:  hms recipe show farm:grant:v1
    """
    types = {job_type.type: job_type for job_type in api_client.oms().job_types()}
    if job_type not in types:
        raise errors.NotFound(f"there is no job type {job_type}; known are {', '.join(sorted(types))}")
    chosen = types[job_type]
    if as_json:
        show.print_json(document(chosen))
        return
    show.lines(
        show.heading(chosen.type),
        chosen.summary,
        "",
        tables.facts(
            [
                ("queue", chosen.queue),
                ("SLA", show.minutes(chosen.sla_minutes)),
                (
                    "same request if",
                    f"{chosen.key} is the same" if chosen.key else "never: each is a job of its own",
                ),
                ("steps", " -> ".join(chosen.steps)),
                ("columns of a file", ", ".join(chosen.columns) or "none: it takes JSON lines only"),
            ]
        ),
        "",
        _fields(chosen.payload),
    )


@recipe.command("check")
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False, exists=True))
@show.json_option
@click.pass_context
def check_recipes(ctx: click.Context, folder: Path | None, as_json: bool) -> None:
    """Find every fault of a folder of recipes before anything is started.

    Reads the recipes of FOLDER (else of HMS_RECIPES), imports the modules of their steps, and looks at
    what their packages declare: migrations, samples, outcomes. Needs no server. Exits with 1 if something
    is wrong.

    \b
    Example:  hms recipe check recipes
    """
    from hms_floor.cli.recipes import recipe_check
    from hms_oms.runtime import settings

    chosen = folder or settings.load().recipes
    findings = recipe_check.findings(chosen)
    bad = sum(finding.light == BAD for finding in findings)
    if as_json:
        show.print_json(
            {"ok": not bad, "folder": str(chosen), "findings": [finding.document() for finding in findings]}
        )
    else:
        show.lines(tables.table(["", "what", "found"], map(check.row, findings), wide=["found"]))
        show.lines(_verdict(findings, bad))
    if bad:
        ctx.exit(errors.ERROR)


@recipe.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of recipes, for editors that complete and check as you type.

    \b
    Example:  hms recipe schema > recipe.schema.json
    """
    from hms_oms.recipes import recipe_schema

    show.print_json(recipe_schema.SCHEMA)


@recipe.command("new")
@click.argument("job_type", metavar="TYPE", shell_complete=names.job_types)
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("recipes"),
    show_default=True,
    help="Where the recipes are; it is made if it is not there.",
)
def new_recipe(job_type: str, folder: Path) -> None:
    """Write a new job type that runs as it is: recipe, steps, table, sample and test.

    TYPE is its name with its version, as in city:permit:v1. A version 2 is written beside version 1, whose
    jobs go on as they were accepted.

    \b
    Example:  hms recipe new city:permit:v1
    """
    from hms_floor.cli.recipes import recipe_new

    if not recipe_new.is_job_type(job_type):
        raise click.BadParameter(f"{job_type!r} is no name of a job type; one is written like city:permit:v1")
    try:
        files = recipe_new.missing(folder, job_type)
    except FileExistsError as error:
        raise click.ClickException(f"{error} is there already: nothing was written") from None
    for place, text in files.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_text(text, encoding="utf-8")
    show.lines(*(f"wrote {folder / place}" for place in files), "", "Now:", *_next(folder, job_type))


def _next(folder: Path, job_type: str) -> Sequence[str]:
    return (
        f"  export HMS_RECIPES={folder.absolute()}",
        "  hms recipe check                # finds every fault before anything starts",
        f"  pytest {folder}                  # runs its jobs, without workers",
        "  hms up                          # in another terminal: everything, on this machine",
        f"  hms cycle sample 20 --seed 1 --type {job_type} --output day.csv",
        f"  hms cycle run day.csv --type {job_type}",
    )


def _verdict(findings: Sequence[Finding], bad: int) -> Text:
    if bad:
        return Text(f"\n{bad} to correct: nothing starts with such recipes", style="bold red")
    look = sum(finding.light == WARN for finding in findings)
    more = f"; {look} to look at" if look else ""
    return Text(f"\nthese recipes can be used{more}", style="yellow" if look else "green")


def _fields(payload: Mapping[str, Any]) -> RenderableType:
    """The fields of a payload, as a person reads their schema."""
    required = payload.get("required", ())
    rows = [
        [name, "required" if name in required else "", _kind(field)]
        for name, field in payload.get("properties", {}).items()
    ]
    return tables.table(["field", "", "what it holds"], rows, wide=["what it holds"])


def _kind(field: Any) -> str:
    if not isinstance(field, Mapping) or not field:
        return "anything"
    if "enum" in field:
        return " | ".join(map(str, field["enum"]))
    kind: Any = field.get("format") or field.get("type", "anything")
    bounds = [f"{word} {field[key]}" for key, word in _BOUNDS.items() if key in field]
    if is_personal(field):
        bounds.append("personal data")
    return ", ".join([" or ".join(kind) if isinstance(kind, list) else str(kind), *bounds])


_BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
    "maxLength": "characters: at most",
    "pattern": "matching",
}
