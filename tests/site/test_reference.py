"""The pages of the reference leave nothing out."""

from __future__ import annotations

import click

from hms_floor.cli import COMMANDS, main
from hms_oms.recipes.recipe_schema import SCHEMA
from hms_oms.runtime import settings
from hms_ops.webhooks.events import EVENTS
from tests.site import reference


def test_every_key_setting_and_event_has_its_row() -> None:
    """Of recipes, also those within steps; of settings by their names."""
    recipes, names, states = reference.recipes(), reference.settings(), reference.states()
    keys = [
        *SCHEMA["properties"],
        *(f"steps[].{key}" for key in SCHEMA["properties"]["steps"]["items"]["properties"]),
    ]
    assert [key for key in keys if f"| `{key}` |" not in recipes] == []
    assert [name for name in settings.known_names() if f"`{name}`" not in names] == []
    assert [event for event in EVENTS if f"| `{event}` |" not in states] == []


def test_every_command_has_its_help() -> None:
    """Down to the last verb, with a heading by which it is found."""
    page = reference.commands()
    for noun in COMMANDS:
        command = main.get_command(click.Context(main), noun)
        verbs = command.commands if isinstance(command, click.Group) else {}
        for path in (noun, *(f"{noun} {name}" for name, verb in verbs.items() if not verb.hidden)):
            assert f"# hms {path}\n" in page
