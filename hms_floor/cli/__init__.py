"""The command line `hms`. Nothing heavy is imported before a verb is chosen, so that help comes at once."""

from __future__ import annotations

import importlib

import click
from click.shell_completion import CompletionItem

from hms_floor.cli import exit_codes

#: Every noun: the module and name of its command, and the line that `hms --help` has for it.
COMMANDS = {
    "up": (
        "hms_floor.cli.installation.up:up",
        "Start everything on this machine and keep it running until Ctrl-C.",
    ),
    "cycle": (
        "hms_floor.cli.cycles.cycle:cycle",
        "Run a file of requests and watch it through; report on it.",
    ),
    "job": ("hms_floor.cli.jobs.job:job", "Start, read, list and steer jobs."),
    "undo": ("hms_floor.cli.jobs.undo:undo", "Undo what you have just changed, within thirty seconds."),
    "queue": ("hms_floor.cli.queues.queue:queue", "See how the queues stand; pause, resume and limit them."),
    "schedule": (
        "hms_floor.cli.schedules.schedule:schedule",
        "See what starts by itself; add, run, pause and remove schedules.",
    ),
    "recipe": ("hms_floor.cli.recipes.recipe:recipe", "See job types; check and write recipes of your own."),
    "worker": ("hms_floor.cli.queues.worker:worker", "See who works, and on what."),
    "sla": (
        "hms_floor.cli.queues.sla:sla",
        "Set SLAs; see which deadlines were met and which will be missed.",
    ),
    "simulate": (
        "hms_floor.cli.simulate.simulate:simulate",
        "Tell how many jobs would be on time under each policy.",
    ),
    "incident": (
        "hms_floor.cli.incidents.incident:incident",
        "See what is wrong; acknowledge, resolve, silence it.",
    ),
    "oncall": ("hms_floor.cli.incidents.oncall:oncall", "See and set who is texted about it."),
    "webhook": (
        "hms_floor.cli.webhooks.webhook:webhook",
        "Have other programs hear when jobs and cycles end or are late.",
    ),
    "audit": ("hms_floor.cli.access.audit:audit", "See who has changed what, when and why."),
    "check": (
        "hms_floor.cli.installation.check:check",
        "Tell what answers, who works, and what is wrong now.",
    ),
    "db": (
        "hms_floor.cli.installation.db:db",
        "Migrate the database, back it up, restore it; see how it ages.",
    ),
    "act": ("hms_floor.cli.installation.daemons:act", "The dispatcher, which hands jobs to the workers."),
    "ops": (
        "hms_floor.cli.installation.daemons:ops",
        "The watch, which calls people; its state, its rules, test pages.",
    ),
    "floor": ("hms_floor.serve:floor", "The API: the HTTP API and the pages, for those with a badge."),
    "badge": (
        "hms_floor.cli.access.badge:badge",
        "Issue badges for the API, read them, and take them back.",
    ),
    "completion": (
        "hms_floor.cli.completion:completion",
        "Set up Tab completion in your shell.",
    ),
}


class Nouns(click.Group):
    """A group that knows its commands by name and imports only the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """The nouns, the most wanted first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return one noun."""
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the noun that is asked for, or say which one may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the nouns without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete a noun without importing any."""
        nouns = [(name, line) for name, (_, line) in COMMANDS.items() if name.startswith(incomplete)]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(name, help=line) for name, line in nouns] + options

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb; what goes wrong on purpose becomes a message and an exit code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            from hms_floor.cli.terminal import errors

            message = errors.tell(error)
            if message is None:
                raise
            raise message from error


def _zone(_ctx: click.Context, _parameter: click.Parameter, name: str | None) -> str | None:
    if name is None:
        return None
    from hms_oms.runtime import clock

    try:
        return clock.zone(name).key
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.group(
    cls=Nouns,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=exit_codes.help_text(),
)
@click.version_option(package_name="hms-management-layer", prog_name="hms")
@click.option(
    "--timezone",
    metavar="ZONE",
    callback=_zone,
    help="Tell and read times as in this zone, as America/Chicago; else HMS_TIMEZONE, or the office's zone.",
)
def main(timezone: str | None) -> None:
    """Run jobs in time: every job has a deadline, and somebody hears of it before it is missed.

    \b
    Begin with:  hms up --sample 3000
    """
