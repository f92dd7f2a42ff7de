"""On call as a form: recipients, shifts and escalation steps, and at once who would be called tonight."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from nicegui import ui
from starlette.requests import Request

from hms_floor.pages.frame import frame, go
from hms_floor.pages.incidents import oncall_draft as draft
from hms_floor.pages.incidents.oncall_draft import Recipient, Row, Shift, Step
from hms_floor.pages.parts import format
from hms_floor.pages.parts.dialogs import waits
from hms_floor.pages.parts.freshness import STILL_SECONDS, Source, of_page
from hms_floor.pages.route import page
from hms_floor.pages.sign_in.session import Visitor
from hms_floor.presentation.oncall import night_words
from hms_ops.oncall import coverage, oncall, turns
from hms_ops.oncall.oncall import SHIFT, DocumentRejected


@page("/oncall/edit", "PUT /oncall")
async def edit(request: Request) -> None:
    """The page on which the on-call document is changed."""
    with frame(request, "Change who is on call") as visitor:
        in_force = await visitor.ask.get("/oncall")
        me = await visitor.ask.get("/me")
        of_page().add(Source(STILL_SECONDS, still=True))
        Form(visitor, in_force, datetime.fromisoformat(me["now"])).show()


class Form:
    """The document as rows of fields; nothing of it is in force before it is saved."""

    def __init__(self, visitor: Visitor, in_force: Mapping[str, Any], now: datetime) -> None:
        self._visitor, self._in_force, self._now = visitor, in_force, now
        self._recipients: list[Recipient] = []
        self._shifts: list[Shift] = []
        self._steps: list[Step] = []
        self._is_ready = False

    def show(self) -> None:
        """Place everything."""
        document = self._in_force["document"]
        with ui.element("section").classes("card"):
            with ui.element("h1"):
                ui.label("Change who is on call")
            self._night = ui.label("").props('role="status"').classes("tonight")
            self._hours = ui.label("").classes("faint")
            self._zone = ui.input("Time zone of the shifts", value=document["timezone"], on_change=self._look)
            draft.own(self._zone).props("outlined dense").classes("search")
        with self._part("Recipients", "Add a recipient", lambda: self._add_recipient()) as self._first_place:
            for name, entry in document["recipients"].items():
                self._add_recipient(name, entry)
        with self._part("Shifts", "Add a shift", lambda: self._add_shift({})) as self._second_place:
            for shift in document["shifts"]:
                self._add_shift(shift)
        with self._part("Escalation", "Add a step", lambda: self._add_step({})) as self._third_place:
            for step in document["steps"]:
                self._add_step(step)
        with ui.element("section").classes("card"), ui.element("div").classes("row"):
            self._reason = ui.input("Why is it changed?").props("outlined dense").classes("search")
            self._button = ui.button("Put in force", on_click=self._save)
            ui.button("Leave it as it was", on_click=lambda: go("/floor/oncall")).props("flat")
            self._fault = ui.label("").classes("said fault").props('role="alert"')
        self._is_ready = True
        self._look()

    def _part(self, title: str, verb: str, add: Any) -> ui.element:
        with ui.element("section").classes("card"):
            with ui.element("div").classes("spread"):
                with ui.element("h2"):
                    ui.label(title)
                ui.button(verb, icon="add", on_click=add).props("outline dense")
            return ui.element("div").classes("stack")

    def _add_recipient(self, name: str = "", entry: Any = "") -> None:
        with self._first_place:
            self._recipients.append(Recipient(self._look, self._remove, name, entry))
        self._look()

    def _add_shift(self, shift: Mapping[str, Any]) -> None:
        with self._second_place:
            self._shifts.append(Shift(self._look, self._remove, shift))
        self._look()

    def _add_step(self, step: Mapping[str, Any]) -> None:
        with self._third_place:
            self._steps.append(Step(self._look, self._remove, step))
        self._look()

    def _remove(self, row: Row) -> None:
        lists: list[list[Any]] = [self._recipients, self._shifts, self._steps]
        for rows in lists:
            if row in rows:
                rows.remove(row)
        row.place.delete()
        self._look()

    def _document(self) -> dict[str, Any]:
        return {
            "timezone": (self._zone.value or "").strip(),
            "recipients": {(row.name.value or "").strip(): row.entry for row in self._recipients},
            "shifts": [shift.document() for shift in self._shifts],
            "steps": [step.document() for step in self._steps],
        }

    def _look(self, _: object = None) -> None:
        """Say what is wrong next to each field, and who would be called tonight."""
        if not self._is_ready:
            return
        names = [name for row in self._recipients if (name := (row.name.value or "").strip())]
        rotas = dict.fromkeys(
            SHIFT + name for row in self._shifts if (name := (row.name.value or "").strip())
        )
        for shift in self._shifts:
            draft.offer(shift.recipient, names, shift.recipient.value)
        for step in self._steps:
            draft.offer(step.notify, [*rotas, *names], list(step.notify.value or []))
        own = dict(draft.own_faults(self._recipients, self._shifts, self._steps))
        faults: dict[str, str] = {}
        document = self._document()
        try:
            kept = oncall.validated(document)
        except DocumentRejected as rejected:
            faults = dict(rejected.faults)
        wrong = dict(own)
        for path, field in self._fields().items():
            if path in faults:
                wrong.setdefault(field, faults[path])
        for field in self._fields().values():
            fault = wrong.get(field)
            if isinstance(field, ui.label):
                field.set_text(fault or "")
            else:
                draft.put(field, fault)
        self._button.set_enabled(not faults and not own)
        if faults or own:
            self._night.set_text("What is marked below is not right yet.")
            self._hours.set_text("")
            return
        night = [(turn.ends, turn.names) for turn in turns.tonight(kept, self._now)]
        self._night.set_text(night_words.tonight(night, format.hour))
        gaps = [gap for gap in coverage.gaps(kept) if gap.nobody]
        hours = ", ".join(map(str, gaps))
        self._hours.set_text(f"Nobody is on call: {hours}." if gaps else "Every hour of the week is covered.")

    def _fields(self) -> dict[str, Any]:
        """The fields by their paths in the document."""
        fields: dict[str, Any] = {"timezone": self._zone}
        for row in self._recipients:
            name = (row.name.value or "").strip()
            # Of two with one name each has its own fault.
            fields |= {f"name {id(row)}": row.name, f"recipients.{name}": row.reach}
            fields[f"recipients.{name}.channel"] = row.reach
        for number, shift in enumerate(self._shifts):
            parts = {"name": shift.name, "recipient": shift.recipient, "days": shift.fault}
            parts |= {"from": shift.begins, "until": shift.ends}
            fields |= {f"shifts.{number}.{part}": field for part, field in parts.items()}
        for number, step in enumerate(self._steps):
            fields |= {f"steps.{number}.after_minutes": step.after, f"steps.{number}.notify": step.notify}
        return fields

    async def _save(self) -> None:
        self._fault.set_text("")
        with waits(self._button):
            newest = await self._visitor.ask.get("/oncall")
            if newest["setAt"] != self._in_force["setAt"]:
                self._fault.set_text(
                    f"{newest['setBy']} has put another document in force meanwhile: load this page again"
                )
                return
            body = {"document": self._document(), "reason": self._reason.value or None}
            await self._visitor.ask.put("/oncall", body)
            go("/floor/oncall")
