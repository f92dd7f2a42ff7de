"""Verbs of a noun that answer to the words of other tools, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

#: What other tools call it, and what it may be here, the most likely first.
_ELSEWHERE: Mapping[str, tuple[str, ...]] = {
    "create": ("add", "start", "issue", "new", "set"),
    "delete": ("remove", "cancel", "revoke"),
    "describe": ("get", "show", "report", "list"),
    "edit": ("set",),
    "get": ("show", "report", "list"),
    "kill": ("cancel",),
    "ls": ("list",),
    "new": ("add", "start", "issue"),
    "rm": ("remove", "cancel", "revoke"),
    "search": ("find", "list"),
    "show": ("get", "report", "list"),
    "status": ("show", "health", "list"),
    "stop": ("pause", "cancel"),
    "unpause": ("resume",),
}


class Verbs(click.Group):
    """A group of verbs; `same` names other words for some of them, which help does not list."""

    def __init__(self, *arguments: Any, same: Mapping[str, str] | None = None, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._same = same or {}

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb by its name, or by another word for it."""
        return super().get_command(ctx, self._same.get(cmd_name, cmd_name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the verb that is asked for, or say which one may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            likely = [verb for verb in _ELSEWHERE.get(args[0], ()) if verb in self.commands]
            if not likely:
                raise
            message = f"No such command {args[0]!r}. Did you mean {likely[0]!r}?"
            raise click.exceptions.NoSuchCommand(args[0], message, ctx=ctx) from error
