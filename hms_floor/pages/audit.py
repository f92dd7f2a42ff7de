"""The audit trail: who has changed what, when, from where, and why; refused attempts too."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from nicegui import ui
from starlette.requests import Request

from hms_floor.pages.frame import frame, go, nothing
from hms_floor.pages.parts import format, html, refusal
from hms_floor.pages.parts.freshness import STILL_SECONDS, Source, of_page
from hms_floor.pages.parts.html import Link, link
from hms_floor.pages.route import page
from hms_floor.pages.sign_in.api_client import Refused
from hms_floor.presentation.audit import acts, details

PAGE = 100
_HEADERS = ("At", "Who", "Did what", "On", "Why", "Came of it", "From", "Detail")


@page("/audit", "GET /audit")
async def audit(request: Request) -> None:
    """The page of the audit trail."""
    query = dict(request.query_params)
    with frame(request, "Audit") as visitor, ui.element("section").classes("card"):
        with ui.element("h1"):
            ui.label("Audit")
        _filters(query)
        given = {name: query.get(name) or None for name in ("actor", "subject", "cursor")}
        try:
            answer = await visitor.ask.get("/audit", **given, limit=PAGE)
        except Refused as refused:
            refusal.show(refused, back=refusal.back_from(request), heading="h2")
            return
        if not answer["entries"]:
            nothing("Nothing was changed.")
            return
        of_page().add(Source(STILL_SECONDS, still=True))
        rows = [_row(entry) for entry in answer["entries"]]
        html.table(
            _HEADERS,
            rows,
            wide=("Did what",),
            wraps=("Why", "Detail"),
            caption="Changes, newest first",
        )
        if answer["next"]:
            link("Older", f"/floor/audit?{urlencode({**query, 'cursor': answer['next']})}")


def _filters(query: Mapping[str, str]) -> None:
    def search() -> None:
        given = {"actor": who.value, "subject": subject.value}
        go(f"/floor/audit?{urlencode({name: value for name, value in given.items() if value})}")

    with ui.element("div").classes("row"):
        who = ui.input("Who (/)", value=query.get("actor", "")).classes("search")
        subject = ui.input("On, as job-219", value=query.get("subject", "")).classes("field")
        for field in (who, subject):
            field.props("outlined dense").on("keydown.enter", search)
        ui.button("Search", icon="search", on_click=search).props("outline")


def _row(entry: Mapping[str, Any]) -> tuple[html.Cell, ...]:
    subject = entry["subject"] or ""
    on: html.Cell = Link(subject, f"/floor/jobs/{subject}") if subject.startswith("job-") else subject
    is_done = entry["status"] < HTTPStatus.BAD_REQUEST
    said = acts.said(entry["action"], subject, entry["detail"], format.short, done=is_done)
    return (
        str(format.moment(entry["at"])),
        entry["actor"],
        said.words,
        on,
        entry["reason"] or "",
        "done" if is_done else f"refused ({entry['status']})",
        entry["source"] or "",
        details.detail(said.left, format.short),
    )
