"""`hms act` and `hms ops`: the daemons, each leading or standing by until it is told to stop."""

from __future__ import annotations

import click

from hms_oms import settings


@click.group()
def act() -> None:
    """The dispatcher, which hands jobs to the workers."""


@act.command("run")
def run_act() -> None:
    """Hand out jobs in the order of their deadlines until SIGTERM or Ctrl-C.

    Any number may run: one leads, the others stand by.

    \b
    Example:  hms act run
    """
    from hms_act import dispatcher

    configured = settings.load()
    database_url, broker_url = configured.servers()
    settings.configure_logging(configured, "act")
    dispatcher.run(database_url, broker_url)


@click.group()
def ops() -> None:
    """The sender, which hands texts to the applicants."""


@ops.command("run")
def run_ops() -> None:
    """Hand over what is in the outbox until SIGTERM or Ctrl-C; texts go to handset.log in HMS_HOME.

    Any number may run: one leads, the others stand by.

    \b
    Example:  hms ops run
    """
    from hms_ops import sender

    configured = settings.load()
    database_url, _ = configured.servers()
    settings.configure_logging(configured, "ops")
    configured.home.mkdir(parents=True, exist_ok=True)
    sender.run(database_url, configured.home / "handset.log")
