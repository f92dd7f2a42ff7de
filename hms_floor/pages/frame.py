"""The frame of every page: a bar with links, theme and keys, and a notice when the connection is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path

from nicegui import ui
from starlette.requests import Request

from hms_floor import subpath
from hms_floor.api.access.roles import TABLE
from hms_floor.local import flower_place
from hms_floor.pages import flower_link
from hms_floor.pages.parts import silence
from hms_floor.pages.parts.dialogs import Dialog
from hms_floor.pages.parts.freshness import Freshness
from hms_floor.pages.parts.html import link
from hms_floor.pages.sign_in import session
from hms_floor.pages.sign_in.session import Visitor

THEME_COOKIE = "hms_theme"
_SHEETS = ("floor.css", "wall.css", "print.css")
_SCRIPTS = ("clock.js", "focus.js", "keys.js", "gone.js", "listbox.js", "state.js", "table.js", "window.js")
#: How often an open page looks whether the badge still holds, in seconds.
BADGE_SECONDS = 5.0
#: A page that nobody may see any more is dropped this long after its reader was sent away, in seconds.
GOODBYE_SECONDS = 1.0

#: The pages in the bar: path, name, the key that goes there after `g`, and the API's route that it reads.
LINKS = (
    ("/floor/", "Floor", "f", "GET /queues"),
    ("/floor/jobs", "Jobs", "j", "GET /jobs"),
    ("/floor/cycles", "Cycles", "c", "GET /cycles"),
    ("/floor/schedules", "Schedules", "d", "GET /schedules"),
    ("/floor/incidents", "Incidents", "i", "GET /incidents"),
    ("/floor/sla", "SLA", "s", "GET /sla"),
    ("/floor/simulation", "Simulation", "m", "POST /simulations"),
    ("/floor/workers", "Workers", "w", "GET /workers"),
    ("/floor/oncall", "On call", "o", "GET /oncall"),
    ("/floor/audit", "Audit", "a", "GET /audit"),
    ("/floor/people", "People", "p", "GET /badges"),
)


def body_of(request: Request) -> ui.element | None:
    """The part of the page below the bar; None before there is a frame."""
    body: ui.element | None = request.scope["state"].get("body")
    return body


def begin(request: Request) -> None:
    """Let the frame live, now that its page is built: a timer that waits for the reader sends it as it is."""
    with ui.context.client.content:
        request.scope["state"]["begin"]()


def visitor_of(request: Request) -> Visitor:
    """Who looks at this page; the guard has let them in."""
    visitor: Visitor = request.scope["state"]["visitor"]
    return visitor


@contextmanager
def frame(request: Request, title: str) -> Iterator[Visitor]:
    """The frame of a page; what is built inside the block is its content."""
    visitor = visitor_of(request)
    theme = request.cookies.get(THEME_COOKIE)
    dark = ui.dark_mode(value={"dark": True, "light": False}.get(theme or ""))
    fresh = _begin(request, visitor, title)
    root = subpath.root(request.scope)
    path = subpath.inside(request.scope)
    with ui.header(elevated=False).classes("bar") as bar, ui.element("nav").props('aria-label="Pages"'):
        link("Operations floor", "/floor/").classes("brand")
        with ui.element("div").classes("places"):
            for target, name, key in links_of(visitor):
                here = path == target or (target != "/floor/" and path.startswith(target))
                place = link(name, target).classes("here" if here else "").props(f'data-key="{key}"')
                if here:
                    place.props('aria-current="page"')
            if flower_link.is_offered(visitor):
                link("Flower", f"{flower_place.PATH}/")
        ui.space()
        fresh.show_age()
        _zone_button(visitor)
        _theme_button(dark, theme)
        keys = ui.button(icon="help_outline", on_click=lambda: _help(visitor)).classes("help-button")
        keys.props('flat round dense aria-label="Keys"').tooltip("Keys (?)")
        with ui.element("form").props(f'method="post" action="{root}/leave"').classes("who"):
            roles = ", ".join(sorted(visitor.badge.roles))
            ui.label(visitor.badge.actor).tooltip(f"Roles: {roles}")
            ui.html('<button class="leave">Sign out</button>', sanitize=False)
        with bar:
            fresh.show_words()
    with ui.element("div").classes("page"):
        silence.lines(path)
        with ui.element("div").classes("stack") as body:
            request.scope["state"]["body"] = body
            yield visitor


@contextmanager
def bare(request: Request, title: str) -> Iterator[tuple[Visitor, Freshness]]:
    """The frame of a page that nobody works with: no bar, only what has failed.

    The page places the age of its numbers.
    """
    visitor = visitor_of(request)
    fresh = _begin(request, visitor, title)
    with ui.element("div").classes("bare"):
        fresh.show_words()
        silence.lines(subpath.inside(request.scope))
        with ui.element("div").classes("bare-body") as body:
            request.scope["state"]["body"] = body
            yield visitor, fresh


def _begin(request: Request, visitor: Visitor, title: str) -> Freshness:
    """Load what every page needs, and have it tell how old it is once it is built."""
    ui.page_title(f"{title} - Operations floor")
    ui.colors(
        primary="#0b5cad",
        positive="#1a7f4b",
        negative="#b3261e",
        warning="#8a5000",
        info="#0b5cad",
        dark="#1a222b",
    )
    ui.add_head_html(f"<style>{''.join(map(_sheet, _SHEETS))}</style>")
    scripts = "".join(map(_sheet, _SCRIPTS))
    root = subpath.root(request.scope)
    ui.add_body_html(f"<script>const hmsRoot = {json.dumps(root)};{scripts}</script>")
    fresh = Freshness(visitor.observer.parts, visitor.zone)

    def begin() -> None:
        fresh.begin()
        _watch_badge(visitor, session.sign_in_path(request))

    request.scope["state"]["begin"] = begin
    return fresh


def go(address: str) -> None:
    """Lead the reader to an address of the floor; NiceGUI itself would look for it below the pages only."""
    there = subpath.root(ui.context.client.request.scope) + address
    ui.run_javascript(f"location.assign({json.dumps(there)})")


def nothing(words: str) -> None:
    """Say that there is nothing to show, and what would bring something here."""
    ui.label(words).classes("nothing")


def _watch_badge(visitor: Visitor, sign_in: str) -> None:
    """Send the reader away when the badge has ended or was taken back, and drop the page for good."""
    client = ui.context.client

    async def look() -> None:
        try:
            if await visitor.holds():
                return
        except session.AWAY:
            return  # the ledger is away, not the badge
        timer.deactivate()
        go(sign_in)
        ui.timer(GOODBYE_SECONDS, client.delete, once=True)

    timer = ui.timer(BADGE_SECONDS, look, immediate=False)


def _zone_button(visitor: Visitor) -> None:
    """The zone of all times on the page; a press turns between the office's and the reader's own."""
    own = session.ZONE_COOKIE in ui.context.client.request.cookies
    label = ui.label(f"{datetime.now(visitor.zone):%Z}").classes("number")
    whose = f"of your own place; the office is in {visitor.office.key}" if own else "of the office"
    ui.timer(60.0, lambda: label.set_text(f"{datetime.now(visitor.zone):%Z}"), immediate=False)
    turn = "times of the office" if own else "times of your own place"
    button = ui.button(icon="schedule").on("click", js_handler=f"() => hmsTurnZone({json.dumps(not own)})")
    button.props(f'flat round dense aria-label="Show {turn}"').classes("zone-button")
    button.tooltip(f"Times are those of {visitor.zone.key}, {whose}. Press for {turn} (z).")


def _theme_button(dark: ui.dark_mode, theme: str | None) -> None:
    following = {None: "dark", "dark": "light", "light": "auto"}
    icons = {"dark": "dark_mode", "light": "light_mode"}

    def turn() -> None:
        nonlocal theme
        theme = following[theme]
        dark.set_value({"dark": True, "light": False}.get(theme))
        ends = "max-age=31536000;samesite=strict"
        ui.run_javascript(f"document.cookie = `{THEME_COOKIE}={theme};path=${{hmsRoot || '/'}};{ends}`")
        button.props(f"icon={icons.get(theme, 'brightness_auto')}")
        theme = None if theme == "auto" else theme

    theme = theme if theme in icons else None
    button = ui.button(icon=icons.get(theme or "", "brightness_auto"), on_click=turn)
    button.props('flat round dense aria-label="Theme: dark, light or as the system has it"')
    button.classes("theme-button").tooltip("Dark, light, or as the system has it (t)")


def links_of(visitor: Visitor) -> list[tuple[str, str, str]]:
    """The pages that this visitor may read: path, name and key."""
    return [(path, name, key) for path, name, key, reads in LINKS if visitor.badge.roles & TABLE[reads]]


def _help(visitor: Visitor) -> None:
    with Dialog("Keys"), ui.element("dl").classes("keys"):
        for keys, what in (
            ("/", "search"),
            ("?", "this list"),
            ("t", "dark, light, or as the system has it"),
            ("z", "times of the office, or of your own place"),
            *((f"g {key}", name) for _, name, key in links_of(visitor)),
            ("Esc", "close"),
        ):
            with ui.element("dt"):
                ui.label(keys)
            with ui.element("dd"):
                ui.label(what)


@cache
def _sheet(name: str) -> str:
    return (Path(__file__).parent / "assets" / name).read_text(encoding="utf-8")
