"""Names that Tab completes, as the API has them just now; without an answer none are offered."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

import click
from click.shell_completion import CompletionItem

from hms_oms.runtime.errors import HmsError

#: Nobody who presses Tab waits for longer than this, in seconds.
PATIENCE_SECONDS = 2.0
#: So many of the newest jobs are offered.
NEWEST = 100

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def queues(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Queues by name."""
    return _offered("/sla", "slas", lambda sla: (sla["queue"], f"{sla['minutes']:g} minutes"), begun)


def job_types(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Job types."""
    return _offered("/recipes", "recipes", lambda recipe: (recipe["type"], recipe["summary"]), begun)


def jobs(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """The newest jobs, with or without `job-`, as it was begun."""
    length = len("job-") if begun[:1].isdigit() else 0
    return _offered(
        "/jobs",
        "jobs",
        lambda job: (job["id"][length:], f"{job['status']} in {job['queue']}"),
        begun,
        limit=NEWEST,
    )


def incidents(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """Incidents that are not over, by what texts call them."""
    return _offered(
        "/incidents",
        "incidents",
        lambda incident: (incident["reference"] or str(incident["id"]), incident["rule"]),
        begun,
        state=["pending", "open", "acknowledged"],
    )


def _offered(
    address: str, noun: str, named: Callable[[Any], tuple[str, str]], begun: str, **query: Any
) -> list[CompletionItem]:
    # Help and wrong calls go without the libraries of the wire.
    from hms_oms.api.http import Wire

    try:
        with closing(Wire()) as wire:
            answer = wire.send("GET", address, query=query, tries=1, answer_seconds=PATIENCE_SECONDS)
    except HmsError:
        return []
    known: Iterable[tuple[str, str]] = map(named, answer[noun])
    return [CompletionItem(name, help=words) for name, words in known if name.startswith(begun)]
