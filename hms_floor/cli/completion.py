"""`hms completion`: how Tab comes to know verbs and names."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_PLACES = {
    "bash": ('eval "$(hms completion bash)"', "~/.bashrc"),
    "zsh": ('eval "$(hms completion zsh)"', "~/.zshrc, after compinit"),
    "fish": ("hms completion fish | source", "~/.config/fish/config.fish"),
}


@click.command()
@click.argument("shell", type=click.Choice(sorted(_PLACES)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Set up Tab completion in your shell.

    Prints what SHELL needs to complete `hms` with Tab, and where to put it. Names of queues, job types,
    jobs and incidents are asked of the API, with your badge.

    \b
    Example:  hms completion bash
    """
    line, place = _PLACES[shell]
    completer = get_completion_class(shell)
    assert completer is not None
    script = completer(ctx.find_root().command, {}, "hms", "_HMS_COMPLETE").source()
    click.echo(f"# For Tab completion in every new {shell}, put this line into {place}:\n#   {line}\n")
    click.echo(script.strip())
