"""One job: its life as a waterfall, what it holds, why it is where it is, and what can be done about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from html import escape
from typing import Any

from nicegui import ui
from starlette.requests import Request

from hms_floor.badges import Role
from hms_floor.cli import show
from hms_floor.pages import waterfall
from hms_floor.pages.asking import Refused
from hms_floor.pages.deeds import DEEDS, deed_button
from hms_floor.pages.frame import frame, nothing
from hms_floor.pages.session import Visitor

#: How often an open job is looked at again, in seconds.
LOOK_SECONDS = 2.0
OPEN = ("waiting", "queued", "running")


@ui.page("/jobs/{name}")
async def job(request: Request, name: str) -> None:
    """The page of one job."""
    with frame(request, name) as visitor:
        place = ui.element("div").classes("stack")
        try:
            found = await visitor.ask.get(f"/jobs/{name}")
        except Refused as refused:
            with place, ui.element("section").classes("card"):
                nothing(str(refused))
            return
    seen: object = None

    async def refresh(first: Mapping[str, Any] | None = None) -> None:
        nonlocal seen
        document = first or await visitor.ask.get(f"/jobs/{name}")
        key = (document["status"], document["since"], document["attempt"], len(document["timeline"]))
        if key != seen:
            seen = key
            because = (await visitor.ask.get(f"/jobs/{name}/explain"))["because"]
            place.clear()
            with place:
                _show(document, because, visitor)
        if document["status"] not in OPEN:
            timer.deactivate()

    timer = ui.timer(LOOK_SECONDS, refresh, immediate=False)
    await refresh(found)


def _show(document: Mapping[str, Any], because: list[str], visitor: Visitor) -> None:
    status = document["status"]
    with ui.element("section").classes("card"):
        with ui.element("div").classes("spread"):
            with ui.element("div").classes("row"):
                with ui.element("h1"):
                    ui.label(document["id"])
                ui.label(status).classes(f"status {status}")
                ui.label(document["type"]).classes("faint")
            with ui.element("div").classes("row"):
                for name in DEEDS:
                    if DEEDS[name].fits(status) and visitor.may(*DEEDS[name].roles):
                        deed_button(name, visitor, {"ids": [document["id"]]}, document["id"])
                flower = f"/flower-link/{document['id']}"
                ui.link("In Flower", flower, new_tab=True).classes("faint")
        for sentence in because:
            ui.label(sentence)
        _facts(document)
    with ui.element("section").classes("card"):
        with ui.element("h2"):
            ui.label("Timeline")
        ui.html(_drawing(document["timeline"], document["slaExpires"]), sanitize=False).classes("scroll")
        with ui.expansion("Every line of the diary").classes("wide"):
            ui.html(_diary(document["timeline"]), sanitize=False).classes("scroll")
    with ui.element("div").classes("grid"):
        for title, value in (("Payload", document["payload"]), ("Results", document["results"])):
            with ui.element("section").classes("card"):
                with ui.element("h2"):
                    ui.label(title)
                if not visitor.may(Role.OPERATOR, Role.MANAGER):
                    ui.label("Your badge does not show values.").classes("faint")
                _json(value)
        if document["error"]:
            with ui.element("section").classes("card"):
                with ui.element("h2"):
                    ui.label("Last error")
                _json(document["error"])


def _facts(document: Mapping[str, Any]) -> None:
    facts = {
        "Queue": document["queue"],
        "Step": f"{document['step']} of {' -> '.join(document['steps'])}",
        "Deadline": _deadline(document),
        "Priority": document["priority"],
        "Attempt": document["attempt"],
        "Outcome": document["outcome"],
        "Worker": document["worker"],
        "Not before": _clock(document["readyAt"]),
        "Cycle": document["batch"],
        "Key": document["key"],
        "Asked for by": f"{document['requestedBy']}, {_clock(document['createdAt'])}",
        "Ended": _clock(document["finishedAt"]),
    }
    links = {"Queue": f"/floor/queues/{document['queue']}", "Cycle": f"/floor/cycles/{document['batch']}"}
    with ui.element("dl").classes("facts"):
        for name, value in facts.items():
            if value in (None, ""):
                continue
            with ui.element("dt"):
                ui.label(name)
            with ui.element("dd"):
                if name in links:
                    ui.link(str(value), links[name])
                else:
                    ui.label(str(value)).classes("late" if "late" in str(value) else "")


def _deadline(document: Mapping[str, Any]) -> str:
    due = datetime.fromisoformat(document["slaExpires"])
    ended = document["finishedAt"]
    told = str(_clock(document["slaExpires"]))
    if ended is None:
        return told
    spare = due - datetime.fromisoformat(ended)
    if spare >= timedelta(0):
        return f"{told}, met with {show.about(spare)} to spare"
    return f"{told}, {show.about(-spare)} late"


def _clock(moment: str | None) -> str | None:
    if moment is None:
        return None
    when = datetime.fromisoformat(moment).astimezone()
    return f"{when:%Y-%m-%d %H:%M:%S %Z}"


def _json(value: Any) -> None:
    ui.html(f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>", sanitize=False).classes(
        "scroll"
    )


def _drawing(timeline: list[Mapping[str, Any]], deadline: str) -> str:
    """The waterfall, as a list that reads well without its bars, too."""
    start, seconds = waterfall.span(timeline)
    due = (datetime.fromisoformat(deadline) - start).total_seconds()
    mark = f'<i class="due" style="left:{100 * due / seconds:.3f}%"></i>' if 0 <= due <= seconds else ""
    lines = []
    for row in waterfall.rows(timeline):
        bars = "".join(
            f'<b class="{bar.kind}" style="left:{100 * (bar.start - start).total_seconds() / seconds:.3f}%;'
            f'width:{max(0.25, 100 * bar.seconds / seconds):.3f}%"'
            f' title="{bar.kind} {_took(bar.seconds)}"></b>'
            for bar in row.bars
        )
        told = ", ".join(f"{bar.kind} {_took(bar.seconds)}" for bar in row.bars)
        again = f" (attempt {row.attempt})" if row.attempt > 1 else ""
        worker = f" on {escape(row.worker)}" if row.worker else ""
        lines.append(
            f'<li><span class="step">{escape(row.step)}{again}</span><span class="bars">{mark}{bars}</span>'
            f'<span class="told">{told}{worker}</span></li>'
        )
    legend = "".join(f'<span><b class="{kind}"></b>{kind}</span>' for kind in waterfall.KINDS)
    return (
        f'<ol class="waterfall">{"".join(lines)}</ol>'
        f'<p class="legend">{legend}<span>in all {_took(seconds)}</span></p>'
    )


def _diary(timeline: list[Mapping[str, Any]]) -> str:
    head = "".join(f"<th>{name}</th>" for name in ("At", "Fact", "Step", "Attempt", "Who", "Took", "Detail"))
    body = "".join(
        "<tr>"
        + "".join(
            f"<td>{escape(str(cell))}</td>"
            for cell in (
                _clock(line["at"]),
                line["fact"],
                line["step"],
                line["attempt"],
                line["who"] or "",
                _took(line["seconds"]),
                json.dumps(line["detail"]) if line["detail"] else "",
            )
        )
        + "</tr>"
        for line in timeline
    )
    return f'<table class="plain"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _took(seconds: float) -> str:
    return show.span(timedelta(seconds=seconds))
