"""Flower beside the floor: signed in, read-only, with links between a task there and its job here.

Flower has no plugin interface. What is used is its configuration file, which is Python that runs before the
application is built: it may set options, put a route in front, and give templates another loader. A test
holds all of it against the Flower that is pinned.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tornado.template
import tornado.web
from flower import events, urls
from flower.utils import search

from hms_oms.jobs.tickets import Ticket

#: What is added to Flower's own pages, each before or after a landmark of theirs.
_PREFIX = '{{ reverse_url("main").rstrip("/") }}'
_FLOOR_LINK = (
    f'<li class="nav-item"><a class="nav-link" href="{_PREFIX}/floor-link">Operations floor</a></li>'
)
_JOB_LINK = (
    '{% if task.uuid.startswith("job-") %}'
    f'<a class="btn btn-primary" href="{_PREFIX}/job-link/'
    '{{ task.uuid }}">Job on the floor</a>{% end %}'
)
_ADDITIONS = {
    "navbar.html": ('<ul class="app-nav navbar-nav">', _FLOOR_LINK),
    "task.html": ('<div class="detail-actions">', _JOB_LINK),
}


def link(floor_url: str) -> None:
    """Have Flower's pages link to the floor at `floor_url`, and its tasks to their jobs there.

    It may be a path alone where Flower stands below the floor.
    """
    folder = urls.settings["template_path"]
    urls.settings["template_loader"] = _Loader(folder, whitespace="single")
    links = [
        tornado.web.url(r"/floor-link", _ToFloor, {"floor_url": floor_url}),
        tornado.web.url(r"/job-link/(.+)", _ToJob, {"floor_url": floor_url}),
    ]
    urls.handlers[0:0] = links


def count_merged() -> None:
    """Have Flower count a step under each type of event that one event of a worker tells of.

    Its column "Processed" is the number of steps that were received.
    """
    original = events.EventsState.event

    def event(state: events.EventsState, received: dict[str, Any]) -> None:
        original(state, received)
        for kind in received.get("merged", ()):
            state.counter[received["hostname"]][kind] += 1

    events.EventsState.event = event


def pass_over_empty_arguments() -> None:
    """Have Flower's search not read `{}` for each event: our steps have no named arguments."""
    original = search._kwargs_pairs
    search._kwargs_pairs = lambda named: frozenset() if named == "{}" else original(named)


class _Loader(tornado.template.Loader):
    """Flower's own templates, with our links put in."""

    def _create_template(self, name: str) -> tornado.template.Template:
        source = (Path(self.root) / name).read_text(encoding="utf-8")
        landmark, addition = _ADDITIONS.get(name, ("", ""))
        if landmark:
            source = source.replace(landmark, landmark + addition, 1)
        return tornado.template.Template(source, name=name, loader=self)


class _Link(tornado.web.RequestHandler):
    def initialize(self, floor_url: str) -> None:
        self.floor_url = floor_url.rstrip("/")


class _ToFloor(_Link):
    def get(self) -> None:
        self.redirect(f"{self.floor_url}/floor")


class _ToJob(_Link):
    def get(self, ticket: str) -> None:
        try:
            job = Ticket.parse(ticket).job
        except ValueError:
            raise tornado.web.HTTPError(404) from None
        self.redirect(f"{self.floor_url}/floor/jobs/job-{job}")


def columns() -> str:
    """The columns of Flower's list of tasks: the uuid is the ticket, which holds job, attempt and step."""
    return "name,uuid,state,received,started,runtime,worker"
