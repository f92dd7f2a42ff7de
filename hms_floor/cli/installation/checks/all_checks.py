"""Run all checks of `hms check` at the same time, none for longer than a few seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from hms_floor.cli.installation.checks import api, servers, sessions
from hms_floor.cli.installation.checks.finding import Finding
from hms_oms.recipes import recipes
from hms_oms.recipes.recipes import Recipes
from hms_oms.runtime import settings
from hms_oms.runtime.errors import ConfigError
from hms_oms.runtime.server_urls import masked
from hms_oms.runtime.settings import Settings
from hms_ops.health import BAD, OK
from workers import modules

#: How long any question may take, in seconds.
PATIENCE_SECONDS = 5.0


Question = Callable[[], Sequence[Finding]]


def findings() -> list[Finding]:
    """Everything that was found, in the order in which one thing depends on another."""
    try:
        configured = settings.load()
    except ConfigError as error:
        return [Finding("settings", BAD, fault, "correct the environment") for fault in error.faults]
    first = [Finding("settings", OK, f"home {configured.home}")]
    known, of_recipes = _recipes(configured)
    answers = _ask(_questions(configured, known))
    return [*first, *of_recipes, *_servers_named(configured), *answers]


def _questions(configured: Settings, known: Recipes) -> Mapping[str, Question]:
    questions: dict[str, Question] = {}
    if configured.broker_url is not None:
        broker_url = configured.broker_url
        questions[f"Redis at {masked(broker_url)}"] = lambda: servers.redis(broker_url)
    if configured.database_url is not None:
        database_url = configured.database_url
        questions[f"PostgreSQL at {masked(database_url)}"] = lambda: [
            *servers.postgresql(database_url, known, configured.zone),
            *sessions.sessions_of(database_url, configured.database_direct_url),
        ]
    alone = configured.database_url is None
    place = configured.url or configured.floor_url
    questions[f"API at {place}" if place else "API"] = lambda: api.api(place, alone=alone)
    return questions


def _ask(questions: Mapping[str, Question]) -> list[Finding]:
    """Ask everything at once; what has not answered in time says so."""
    answers: dict[str, Sequence[Finding]] = {}

    def ask(name: str, question: Question) -> None:
        answers[name] = question()

    threads = {
        name: threading.Thread(target=ask, args=(name, question), daemon=True)
        for name, question in questions.items()
    }
    for thread in threads.values():
        thread.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    findings: list[Finding] = []
    for name, thread in threads.items():
        thread.join(max(0.0, deadline - time.monotonic()))
        silent = Finding(name.split()[0], BAD, f"{name} does not answer: asked for {PATIENCE_SECONDS:g} s")
        findings += answers.get(name, [silent])
    return findings


def _recipes(configured: Settings) -> tuple[Recipes, list[Finding]]:
    try:
        known = recipes.load_folder(configured.recipes)
        modules.load(known, configured.recipes)
    except (ConfigError, OSError) as error:
        faults = error.faults if isinstance(error, ConfigError) else (str(error),)
        return {}, [Finding("recipes", BAD, fault, f"see {configured.recipes}") for fault in faults]
    return known, [Finding("recipes", OK, f"{', '.join(known)} in {configured.recipes}")]


def _servers_named(configured: Settings) -> list[Finding]:
    """Whether the servers are named; a machine that only knows the API needs none."""
    try:
        configured.servers()
    except ConfigError as error:
        if configured.url is None or (configured.database_url or configured.broker_url):
            return [Finding("servers", BAD, "; ".join(error.faults))]
    return []
