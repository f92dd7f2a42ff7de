"""Actions on a queue: pause and resume it, limit it, and set its SLA after a preview."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from hms_floor.pages.parts import format, undo
from hms_floor.pages.parts.dialogs import Dialog, waits, whole_number
from hms_floor.pages.sign_in.session import Visitor
from hms_floor.presentation.foresight import effect_words, sla_preview_words
from hms_floor.presentation.overview import Card
from hms_oms.recipes.sla_bounds import LEAST_MINUTES
from hms_ops.forecast import advice, order_words
from hms_ops.forecast.cause import Remedy

#: The remedies that are a change of the queue itself.
_MENDED = ("resume", "raise-limit", "lift-limit", "raise-window")


class Buttons:
    """What a manager can do to a queue."""

    def __init__(self, name: str, visitor: Visitor) -> None:
        self._name, self._visitor = name, visitor
        self._paused: bool | None = None
        self._remedy: Remedy | None = None
        with ui.element("div").classes("row"):
            self._mend = ui.button("", icon="build", on_click=self._ask_remedy).props("dense")
            self._mend.set_visibility(False)
            self._pause = ui.button("Pause", icon="pause", on_click=self._ask_pause).props("outline dense")
            self._limits = ui.button("Limits", icon="speed", on_click=lambda: self._ask_limits())
            self._limits.props("outline dense")
            ui.button("SLA", icon="schedule", on_click=self._ask_sla).props("outline dense")
            self._policy = ui.button("Policy", icon="sort", on_click=self._ask_policy).props("outline dense")
            self._hours = ui.button("Office hours", icon="event", on_click=self._ask_hours)
            self._hours.props("outline dense")

    def show(self, card: Card) -> None:
        """Offer what would help, to pause an open queue, and to resume a paused one."""
        cause = card.cause
        remedy = cause.first if cause is not None and cause.first.verb in _MENDED else None
        if remedy != self._remedy:
            self._remedy = remedy
            self._mend.set_visibility(remedy is not None)
            if remedy is not None:
                label = advice.remedy(remedy)
                self._mend.set_text(label[0].upper() + label[1:])
        paused = card.paused_at is not None
        if paused != self._paused:
            self._paused = paused
            self._pause.set_text("Resume" if paused else "Pause")
            self._pause.props(f"icon={'play_arrow' if paused else 'pause'}")

    def _ask_pause(self) -> None:
        verb = "resume" if self._paused else "pause"
        effect = (
            "Its jobs are handed out again."
            if self._paused
            else "Nothing new is started; what runs is finished. Deadlines go on counting."
        )
        with Dialog(f"{verb.capitalize()} {self._name}", effect) as dialog:
            reason = dialog.text("Why?")

            async def act() -> None:
                await self._post(verb, {}, reason.value, f"{self._name} is {verb}d.")

            if verb == "pause":
                dialog.offers("Preview", lambda: self._preview(verb, {}))
            dialog.does(verb.capitalize(), act)

    async def _ask_remedy(self) -> None:
        """What would help, one click away: resume, or the limits with the number filled in."""
        if self._remedy is None:
            return
        if self._remedy.verb == "resume":
            self._ask_pause()
            return
        field = "window" if self._remedy.verb == "raise-window" else "startsPerMinute"
        # How high a limit has to be may not be known; without any the field is empty.
        known = self._remedy.number or self._remedy.verb == "lift-limit"
        await self._ask_limits({field: self._remedy.number} if known else {})

    async def _ask_limits(self, proposed: Mapping[str, int | None] | None = None) -> None:
        with waits(self._limits):
            # First what holds now: an empty field means that there is no limit.
            present = await self._visitor.ask.post(f"/queues/{self._name}/limit")
            self._limits_dialog({**present, **(proposed or {})})

    def _limits_dialog(self, present: Mapping[str, Any]) -> None:
        with Dialog(f"Limits of {self._name}", "An empty field is no limit.") as dialog:
            window = dialog.text("Window in front of the workers, jobs", _told(present["window"]))
            starts = dialog.text("Starts a minute, at most", _told(present["startsPerMinute"]))
            at_once = dialog.text("Jobs at once, at most", _told(present["atOnce"]))
            for field in (window, starts, at_once):
                field.props("inputmode=numeric")
            reason = dialog.text("Why?")

            def limits() -> dict[str, int | None]:
                return {
                    "window": _number(window.value),
                    "startsPerMinute": _number(starts.value),
                    "atOnce": _number(at_once.value),
                }

            async def act() -> None:
                await self._post("limit", limits(), reason.value, f"The limits of {self._name} are set.")

            dialog.offers("Preview", lambda: self._preview("limit", limits()))
            dialog.does("Set", act)

    async def _ask_policy(self) -> None:
        with waits(self._policy):
            present = await self._visitor.ask.post(f"/queues/{self._name}/policy", {})
        effect = "How its jobs are put in order. What was put in front by hand stays there."
        with Dialog(f"Policy of {self._name}", effect) as dialog:
            options = {policy: f"{policy}: {meaning}" for policy, meaning in order_words.MEANING.items()}
            policy = dialog.choice("Policy", options, present["policy"])
            reason = dialog.text("Why?")

            async def act() -> None:
                message = f"{self._name} has the policy {policy.value}."
                await self._post("policy", {"policy": policy.value}, reason.value, message)

            dialog.offers("Preview", lambda: self._preview("policy", {"policy": policy.value}))
            dialog.does("Set", act)

    async def _ask_hours(self) -> None:
        path = f"/queues/{self._name}/calendar"
        with waits(self._hours):
            present = await self._visitor.ask.get(path)
        effect = (
            "The SLA of jobs accepted from now on counts in these hours only; without hours it always counts."
        )
        with Dialog(f"Office hours of {self._name}", effect) as dialog:
            hours = dialog.text("Hours", present["hours"] or "", hint="As Mo-Fr 08:00-12:00,13:00-16:30")
            zone = dialog.text("Time zone", present["timezone"] or "", hint="The office's, if this is empty")
            holidays = dialog.text("Closed on holidays of", present["holidays"] or "", hint="As US or US-IL")
            reason = dialog.text("Why?")

            async def act() -> None:
                fields = {"hours": hours, "timezone": zone, "holidays": holidays, "reason": reason}
                body = {name: (field.value or "").strip() or None for name, field in fields.items()}
                answer = await self._visitor.ask.put(path, body)
                due = format.moment(answer["due"])
                undo.offer(self._visitor, f"A job accepted now is due {due}.", answer["undo"])

            dialog.does("Set", act)

    def _ask_sla(self) -> None:
        effect = "Jobs accepted from now on are due so many minutes later."
        with Dialog(f"SLA of {self._name}", effect) as dialog:
            minutes = dialog.number("Minutes", min=LEAST_MINUTES)
            reason = dialog.text("Why?")
            path = f"/queues/{self._name}/sla"

            async def preview() -> str:
                body = {"minutes": minutes.value or 0, "dryRun": True}
                return _preview(await self._visitor.ask.put(path, body))

            async def act() -> None:
                body = {"minutes": minutes.value or 0, "reason": reason.value or None}
                answer = await self._visitor.ask.put(path, body)
                message = f"{self._name} has {format.sla(answer['minutes'])} from now on."
                undo.offer(self._visitor, message, answer["undo"])

            dialog.offers("Preview", preview)
            dialog.does("Set", act)

    async def _preview(self, verb: str, body: Mapping[str, Any]) -> str:
        """What a change would do to the open jobs. Raises Refused."""
        answer = await self._visitor.ask.post(f"/queues/{self._name}/{verb}", {**body, "dryRun": True})
        return effect_words.told(answer["effect"])

    async def _post(self, verb: str, body: Mapping[str, Any], reason: str | None, message: str) -> None:
        given = {**body, "reason": reason} if reason else dict(body)
        answer = await self._visitor.ask.post(f"/queues/{self._name}/{verb}", given)
        undo.offer(self._visitor, message, answer["undo"])


def _preview(answer: Mapping[str, Any]) -> str:
    change = f"From {format.sla(answer['before'])} to {format.sla(answer['minutes'])}."
    words = f"{change} {sla_preview_words.told(answer['forecast'])}"
    return f"{words} {effect_words.told(answer['effect'])}" if answer["effect"] else words


def _told(number: int | None) -> str:
    return "" if number is None else str(number)


def _number(text: str | None) -> int | None:
    """A number that somebody typed; nothing is no limit. Raises ValueError."""
    return whole_number(text) if text and text.strip() else None
