"""The Celery application of the workers."""

from __future__ import annotations

import logging
import os
import secrets
from typing import Any

from celery import Celery, signals
from kombu import Exchange, Queue
from sqlalchemy.exc import DBAPIError

from hms_oms.broker import celery_settings
from hms_oms.database import connections
from hms_oms.database.schema import schema_revision
from hms_oms.recipes import package_migrations, recipes
from hms_oms.runtime import garbage, logs, sentinel, settings
from hms_oms.runtime.errors import UnknownSchema
from workers import flower_guard, modules, step
from workers.presence import presence
from workers.task import StepTask
from workers.telemetry import event_batching, log_context, trace_context

log = logging.getLogger(__name__)


def make_app(configured: settings.Settings) -> Celery:
    """The application for these settings: its queues and step modules come from the recipes.

    Raises ConfigError for recipes or step modules that cannot be used.
    """
    _, broker_url = configured.servers()
    known = recipes.load_folder(configured.recipes)
    made = Celery("workers", set_as_current=True)
    # Not in `conf`: Flower and `celery inspect conf` show that to the person who asks.
    made.settings = configured
    # Looked up once: each step is told of it.
    made.office = configured.zone
    made.recipes = lambda: known
    # Remembered before the pool forks: a child works in the name of its parent.
    made.parent_pid = os.getpid()
    # Containers may share host name and pid.
    made.worker_token = secrets.token_hex(4)
    made.config_from_object(celery_settings.load())
    sentinel.configure(made, broker_url)
    made.conf.task_queues = [Queue(name, Exchange(name), routing_key=name) for name in _queues(known)]
    made.conf.task_default_queue = made.conf.task_queues[0].name
    modules.load(known, configured.recipes)
    for name, function in step.registered.items():
        made.register_task(_task(name, function))
    made.steps["consumer"].update((presence.Presence, event_batching.EventBatching))
    return made


def _queues(known: recipes.Recipes) -> list[str]:
    """The queues that hold work for workers, in the order of the recipes."""
    return list(
        dict.fromkeys(step.queue for recipe in known.values() for step in recipe.works if step.by == "worker")
    )


def _task(name: str, function: step.StepFunction) -> StepTask:
    made: StepTask = type(
        function.__name__, (StepTask,), {"name": name, "function": staticmethod(function)}
    )()
    return made


@signals.setup_logging.connect(weak=False)
def _logging(**_: Any) -> None:
    """Celery leaves logging alone where somebody else sees to it."""
    logs.configure(configuration, "worker", log_context.NamesStep())


@signals.worker_init.connect(weak=False)
def _require_known_schema(**_: Any) -> None:
    """Refuse to work on tables that this code does not know; a database that is away is waited for."""
    try:
        schema_revision.require(configuration.servers()[0])
        known = recipes.load_folder(configuration.recipes)
        package_migrations.require(configuration.servers()[0], known.values())
    except UnknownSchema as error:
        # Celery passes over what its signals raise, but for this.
        raise SystemExit(f"Error: {error}") from None
    except DBAPIError as error:
        log.warning("the database is away (%s): its revision is not known", type(error.orig).__name__)
    finally:
        # The pool's children must not inherit a connection.
        connections.engine(configuration.servers()[0]).dispose()
        garbage.freeze_loaded()


@signals.worker_ready.connect(weak=False)
def _freeze_loaded(**_: Any) -> None:
    garbage.freeze_loaded()


configuration = settings.load()
celery_settings.choose_flower_settings()
flower_guard.install()
log_context.install()
trace_context.install()
app = make_app(configuration)
