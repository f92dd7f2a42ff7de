"""One job: its life as a waterfall, what it holds, why it is where it is, and what can be done about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from nicegui import ui
from starlette.requests import Request

from hms_floor.auth.tokens import Role
from hms_floor.pages.frame import frame
from hms_floor.pages.jobs.hold_button import HoldButton
from hms_floor.pages.jobs.job_actions import JOB_ACTIONS, action_button
from hms_floor.pages.jobs.job_waterfall import Waterfall
from hms_floor.pages.jobs.signal_button import SignalButton
from hms_floor.pages.parts import format as words
from hms_floor.pages.parts import html
from hms_floor.pages.parts.format import put
from hms_floor.pages.parts.freshness import keep
from hms_floor.pages.parts.html import Link
from hms_floor.pages.parts.live_section import Facts
from hms_floor.pages.parts.spoken import Spoken
from hms_floor.pages.route import page
from hms_floor.pages.sign_in.api_client import Refused
from hms_floor.pages.sign_in.session import Visitor
from hms_floor.presentation import calendar_words
from hms_oms.runtime import format

#: How often an open job is looked at again, in seconds.
LOOK_SECONDS = 2.0
#: How often its end is foreseen again, in seconds.
FORESEE_SECONDS = 5.0


@page("/jobs/{name}", "GET /jobs/{id}")
async def job(request: Request, name: str) -> None:
    """The page of one job."""
    with frame(request, name) as visitor:
        answer = await visitor.ask.get(f"/jobs/{name}")
        shown = _Job(answer, visitor)

    async def refresh() -> None:
        document = await visitor.ask.get(f"/jobs/{name}")
        texts = (await visitor.ask.get(f"/jobs/{name}/texts"))["texts"]
        because = (await visitor.ask.get(f"/jobs/{name}/explain", zone=visitor.zone.key))["because"]
        shown.show(document, because, texts)

    async def foresee() -> None:
        with suppress(Refused):  # the page tells of that by what it cannot read either
            shown.foresee(await visitor.ask.get(f"/jobs/{name}", forecast=True))

    await keep(refresh, LOOK_SECONDS)
    # The page does not wait for that: it takes in all that its queue has to do.
    ui.timer(FORESEE_SECONDS, foresee)


class _Job:
    """What one job's page shows; all of it changes in place."""

    def __init__(self, document: Mapping[str, Any], visitor: Visitor) -> None:
        self._visitor = visitor
        self._will_end: str | None = None
        self._buttons: dict[str, ui.button] = {}
        with ui.element("section").classes("card"):
            self._head(document)
        with ui.element("section").classes("card"):
            with ui.element("h2"):
                ui.label("Timeline")
            self._waterfall = Waterfall()
            with ui.expansion("Every line of the event log").classes("wide"):
                self._event_log = html.Table(
                    ("At", "Fact", "Step", "Attempt", "Who", "Took", "Detail"),
                    caption="Oldest first",
                )
        with ui.element("section").classes("card") as self._child_jobs_card:
            with ui.element("h2"):
                ui.label("Jobs that it has started")
            self._child_jobs = html.Table(
                ("Number", "Job", "Type", "Status", "Outcome"),
                wide=("Outcome",),
                caption="In the order of their start",
            )
        with ui.element("section").classes("card") as self._texts_card:
            with ui.element("h2"):
                ui.label("Texts to the applicant")
            self._texts = html.Table(
                ("At", "To", "Text", "Fate"), wide=("Text",), caption="Texts, newest first"
            )
        with ui.element("div").classes("pair two"):
            self._item = _Values("Item", visitor)
            self._payload = _Values("Payload", visitor)
            self._results = _Values("Results", visitor)
            self._error = _Values("Last error", visitor)

    def _head(self, document: Mapping[str, Any]) -> None:
        with ui.element("div").classes("spread"):
            with ui.element("div").classes("row"):
                with ui.element("h1"):
                    ui.label(document["id"])
                self._status = ui.label("").classes("status")
                self._was = ""
                ui.label(document["type"]).classes("faint")
            with ui.element("div").classes("row"):
                self._signal = SignalButton(self._visitor, document["id"])
                self._hold = HoldButton(self._visitor, document["id"])
                for name, action in JOB_ACTIONS.items():
                    if self._visitor.may(*action.roles):
                        which = {"ids": [document["id"]]}
                        self._buttons[name] = action_button(name, self._visitor, which, document["id"])
        self._because = ui.label("").classes("because")
        self._spoken = Spoken()
        self._progress = ui.element("progress").props('max="1" aria-label="Progress of the step"')
        self._progress.classes("wide").set_visibility(False)
        self._facts = Facts("columns")

    def foresee(self, document: Mapping[str, Any]) -> None:
        """Show from the next look on when it will end."""
        will_end = words.predicted_end(document)
        self._will_end = f"{will_end}, {words.as_of(document['forecastAt'])}" if will_end else None

    def show(self, document: Mapping[str, Any], because: list[str], texts: list[Mapping[str, Any]]) -> None:
        """Show how the job stands."""
        status = document["status"]
        put(self._status, status)
        self._status.classes(remove=self._was, add=status)
        self._was = status
        for name, button in self._buttons.items():
            button.set_visibility(JOB_ACTIONS[name].fits(status))
        self._signal.show(document["event"])
        self._hold.show(document)
        put(self._because, "\n".join(because))
        self._spoken.say((status, document["step"]), f"{status}. {' '.join(because)}")
        last = document["progress"]
        self._progress.set_visibility(last is not None)
        if last is not None and self._progress.props.get("value") != last["share"]:
            self._progress.props["value"] = last["share"]
            self._progress.update()
        late = "Deadline" if _deadline(document)[1] else None
        self._facts.show(_facts(document, self._will_end), late=late)
        self._waterfall.show(document)
        self._event_log.show([_line(line) for line in document["timeline"]])
        self._child_jobs_card.set_visibility(bool(document["childJobs"]))
        self._child_jobs.show(
            [(str(place), *_child_job(child)) for place, child in enumerate(document["childJobs"], 1)]
        )
        self._texts_card.set_visibility(bool(texts))
        self._texts.show(
            [(_clock(text["createdAt"]) or "", text["to"], text["body"], text["fate"]) for text in texts]
        )
        self._item.show(document["item"])
        # A part has that of its job.
        self._payload.show(document["payload"] if document["part"] is None else None)
        self._results.show(document["results"])
        self._error.show(document["error"])


class _Values:
    """A JSON value of the job; not shown where there is none."""

    def __init__(self, title: str, visitor: Visitor) -> None:
        with ui.element("section").classes("card") as self._card:
            with ui.element("h2"):
                ui.label(title)
            if not visitor.may(Role.OPERATOR, Role.MANAGER):
                ui.label("Your badge does not show values.").classes("faint")
            with ui.element("pre").classes("scroll"):
                self._value = ui.label("")

    def show(self, value: Any) -> None:
        """Show it."""
        self._card.set_visibility(value is not None)
        put(self._value, json.dumps(value, indent=2, ensure_ascii=False))


def _facts(document: Mapping[str, Any], will_end: str | None) -> dict[str, object]:
    queue, batch = document["queue"], document["batch"]
    return {
        "Queue": Link(queue, f"/floor/queues/{queue}"),
        "Step": f"{document['step']} of {', '.join(document['steps'])}",
        "Progress": _progress(document["progress"]),
        "Deadline": _deadline(document)[0],
        "Elapsed": calendar_words.elapsed(document["elapsedSeconds"], document["businessSeconds"]),
        "Priority": document["priority"],
        "Must": "never given up for others" if document["must"] else None,
        "Given up": _clock(document["givenUpAt"]),
        "Will end": None if document["finishedAt"] else will_end,
        "Attempt": document["attempt"],
        "Outcome": document["outcome"],
        "Worker": document["worker"],
        "Held": document["heldAt"] and f"until the applicant answers, since {_clock(document['heldAt'])}",
        "Waits for": document["event"] and f"{document['event']}, until {_clock(document['readyAt'])}",
        "Not before": None if document["event"] else _clock(document["readyAt"]),
        "Part of": _job(document["parent"]),
        "Cycle": None if batch is None else Link(str(batch), f"/floor/cycles/{batch}"),
        "Key": document["key"],
        "Replaces": _job(document["replaces"]),
        "Replaced by": _job(document["replacedBy"]),
        "Asked for by": f"{document['requestedBy']}, {_clock(document['createdAt'])}",
        "Ended": _clock(document["finishedAt"]),
        "Personal data": _erased(document["erasedAt"]),
    }


def _progress(last: Mapping[str, Any] | None) -> str | None:
    if last is None:
        return None
    return format.progress(last["share"], last["note"], datetime.fromisoformat(last["at"]), datetime.now(UTC))


def _erased(moment: str | None) -> str | None:
    if moment is None:
        return None
    return f"erased on {format.day(datetime.fromisoformat(moment), words.zone())} by retention"


def _job(name: str | None) -> Link | None:
    return None if name is None else Link(name, f"/floor/jobs/{name}")


def _child_job(child: Mapping[str, Any]) -> tuple[str | Link, ...]:
    job = _job(child["id"]) or ""
    return (job, child["type"], child["status"] or "", child["outcome"] or child["fault"] or "")


def _deadline(document: Mapping[str, Any]) -> tuple[str, bool]:
    """The deadline and what came of it, and whether it was missed."""
    ended, held = document["finishedAt"], document["heldAt"]
    return format.deadline(
        datetime.fromisoformat(document["slaExpires"]),
        datetime.fromisoformat(ended) if ended else None,
        document["status"],
        words.zone(),
        datetime.now(UTC),
        datetime.fromisoformat(held) if held else None,
    )


def _clock(moment: str | None) -> str | None:
    return words.moment(moment)


def _line(line: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        _clock(line["at"]) or "",
        line["fact"],
        line["step"] or "",
        "" if line["attempt"] is None else str(line["attempt"]),
        line["who"] or "",
        format.span(timedelta(seconds=line["seconds"])),
        json.dumps(line["detail"]) if line["detail"] else "",
    )
