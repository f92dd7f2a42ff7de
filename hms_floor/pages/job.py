"""One job: its life as a waterfall, what it holds, why it is where it is, and what can be done about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any

from nicegui import ui
from starlette.requests import Request

from hms_floor.badges import Role
from hms_floor.cli import show
from hms_floor.pages import beside, plain, waterfall, words
from hms_floor.pages.asking import Refused
from hms_floor.pages.deeds import DEEDS, deed_button
from hms_floor.pages.frame import frame, nothing
from hms_floor.pages.plain import link
from hms_floor.pages.session import Visitor
from hms_oms import format
from hms_oms.tickets import Ticket, job_number

#: How often an open job is looked at again, in seconds.
LOOK_SECONDS = 2.0
OPEN = ("waiting", "queued", "running")
#: A text in one of these states stays in it.
SETTLED = ("delivered", "undelivered", "failed", "unconfirmed", "cancelled", "expired")


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
        texts = (await visitor.ask.get(f"/jobs/{name}/texts"))["texts"]
        fates = tuple((text["id"], text["fate"]) for text in texts)
        key = (document["status"], document["since"], document["attempt"], len(document["timeline"]), fates)
        if key != seen:
            seen = key
            because = (await visitor.ask.get(f"/jobs/{name}/explain", zone=visitor.zone.key))["because"]
            place.clear()
            with place:
                _show(document, because, texts, visitor)
        if document["status"] not in OPEN and all(text["fate"] in SETTLED for text in texts):
            timer.deactivate()

    timer = ui.timer(LOOK_SECONDS, refresh, immediate=False)
    await refresh(found)


def _show(
    document: Mapping[str, Any], because: list[str], texts: list[Mapping[str, Any]], visitor: Visitor
) -> None:
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
        for sentence in because:
            ui.label(sentence)
        _facts(document)
    with ui.element("section").classes("card"):
        with ui.element("h2"):
            ui.label("Timeline")
        ui.html(_drawing(document), sanitize=False).classes("scroll")
        with ui.expansion("Every line of the diary").classes("wide"):
            ui.html(_diary(document["timeline"]), sanitize=False).classes("scroll")
    if texts:
        with ui.element("section").classes("card"):
            with ui.element("h2"):
                ui.label("Texts to the applicant")
            rows = [
                (_clock(text["createdAt"]) or "", text["to"], text["body"], text["fate"]) for text in texts
            ]
            headers = ("At", "To", "Text", "Fate")
            plain.table(headers, rows, wide=("Text",), caption="Texts, newest first")
    with ui.element("div").classes("pair two"):
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
    deadline, missed = _deadline(document)
    facts = {
        "Queue": document["queue"],
        "Step": f"{document['step']} of {', '.join(document['steps'])}",
        "Deadline": deadline,
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
    with ui.element("dl").classes("facts columns"):
        for name, value in facts.items():
            if value in (None, ""):
                continue
            with ui.element("div"):
                with ui.element("dt"):
                    ui.label(name)
                with ui.element("dd"):
                    if name in links:
                        link(str(value), links[name])
                    else:
                        late = name == "Deadline" and missed
                        ui.label(str(value)).classes("late" if late else "")


def _deadline(document: Mapping[str, Any]) -> tuple[str, bool]:
    """The deadline and what came of it, and whether it was missed."""
    ended = document["finishedAt"]
    return format.deadline(
        datetime.fromisoformat(document["slaExpires"]),
        datetime.fromisoformat(ended) if ended else None,
        document["status"],
        words.zone(),
        datetime.now(UTC),
    )


def _clock(moment: str | None) -> str | None:
    return words.moment(moment)


def _json(value: Any) -> None:
    ui.html(f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>", sanitize=False).classes(
        "scroll"
    )


def _drawing(document: Mapping[str, Any]) -> str:
    """The waterfall, as a list that reads well without its bars, too."""
    timeline = document["timeline"]
    start, seconds = waterfall.span(timeline)
    due = (datetime.fromisoformat(document["slaExpires"]) - start).total_seconds()
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
        ticket = Ticket(job_number(document["id"]), row.attempt, row.step)
        flower = beside.path(ticket) if row.worker else None
        link = f' <a href="{flower}" target="_blank" rel="noopener">Flower</a>' if flower else ""
        lines.append(
            f'<li><span class="step">{escape(row.step)}{again}</span><span class="bars">{mark}{bars}</span>'
            f'<span class="told">{told}{worker}{link}</span></li>'
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
