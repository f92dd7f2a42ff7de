"""`hms act` and `hms ops`: the daemons, each leading or standing by until it is told to stop."""

from __future__ import annotations

import functools

import click

from hms_floor.cli.incidents import ops as watch
from hms_floor.cli.installation import probe
from hms_oms.runtime import settings


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
    from hms_act.schedules.intake import Intake
    from hms_act.schedules.scheduler import Scheduler
    from hms_oms.recipes import recipes
    from hms_oms.retention import rules
    from hms_oms.retention.pruner import Pruner
    from hms_oms.runtime import garbage, logs

    configured = settings.load()
    database_url, broker_url = configured.servers()
    logs.configure(configured, "act")
    garbage.freeze_loaded()
    dispatcher.run(
        database_url,
        broker_url,
        configured.home,
        configured.database_direct_url,
        lambda: Pruner(rules.defaults(configured), configured.keep_audit),
        lambda begin: Scheduler(
            begin,
            functools.cache(lambda: recipes.load_folder(configured.recipes)),
            Intake(begin, configured.incoming_folder, configured.incoming_hosts),
        ),
    )


@click.group()
def ops() -> None:
    """The watch, which calls people; its state, its rules, test pages."""


@ops.command("run")
def run_ops() -> None:
    """Watch the floor, open incidents, call who is on call, and hand texts over until SIGTERM or Ctrl-C.

    Any number may run: one leads, the others stand by.

    \b
    Example:  hms ops run
    """
    from hms_oms.runtime import garbage, logs
    from hms_ops import daemon

    configured = settings.load()
    logs.configure(configured, "ops")
    garbage.freeze_loaded()
    daemon.run(configured)


act.add_command(probe.command("act", "dispatcher", ["act"]))
ops.add_command(probe.command("ops", "watch and pager", ["ops", "pager"]))
for _command in (watch.status, watch.test_page, watch.rules, watch.rule):
    ops.add_command(_command)
