"""The on-call document as fields: each part a row, and what is wrong with one stands next to its field."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from nicegui import ui
from nicegui.elements.mixins.validation_element import ValidationElement

from hms_ops.oncall.oncall import DAYS, SHIFT

#: Told when something has changed.
Changed = Callable[[], None]
#: Faults by the path of their field, as `recipients.ada` or `shifts.0.from`.
Faults = Mapping[str, str]
Field = TypeVar("Field", bound=ValidationElement[Any])
_KINDS = {"phone": "Phone", "channel": "Channel"}


class Row:
    """One row of fields, with a button that takes it away."""

    def __init__(self, what: str, changed: Changed, remove: Callable[[Row], None]) -> None:
        self.changed = changed
        self.place = ui.element("div").classes("row draft").props(f'role="group" aria-label="{what}"')
        with self.place:
            self.build()
            button = ui.button(icon="delete", on_click=lambda: remove(self))
            button.props(f'flat round dense aria-label="Remove this {what.lower()}"')

    def build(self) -> None:
        """Place the fields."""

    def text(self, label: str, value: str = "", kind: str = "text") -> ui.input:
        """A field for a word or a time."""
        field = ui.input(label, value=value, on_change=self.changed)
        return own(field).props(f"outlined dense type={kind} stack-label").classes("field")


class Recipient(Row):
    """A name, and the phone or channel by which somebody is reached."""

    def __init__(
        self, changed: Changed, remove: Callable[[Row], None], name: str = "", entry: Any = ""
    ) -> None:
        self._name_now, self._entry = name, entry
        super().__init__("Recipient", changed, remove)

    def build(self) -> None:
        """Place the fields."""
        is_channel = isinstance(self._entry, Mapping)
        self.name = self.text("Name", self._name_now)
        kind = "channel" if is_channel else "phone"
        self.kind = ui.select(_KINDS, label="Reached by", value=kind, on_change=self.changed)
        self.kind.props("outlined dense").classes("narrow")
        self.reach = self.text("Number or name", self._entry["channel"] if is_channel else self._entry)

    @property
    def entry(self) -> Any:
        """The recipient as the document has it."""
        written = (self.reach.value or "").strip()
        return {"channel": written} if self.kind.value == "channel" else written


class Shift(Row):
    """A shift: its name, days and hours, and who has it."""

    def __init__(self, changed: Changed, remove: Callable[[Row], None], shift: Mapping[str, Any]) -> None:
        self._shift = shift
        super().__init__("Shift", changed, remove)

    def build(self) -> None:
        """Place the fields."""
        self.name = self.text("Shift", self._shift.get("name", ""))
        self.recipient = ui.select([], label="Who", on_change=self.changed)
        own(self.recipient).props("outlined dense").classes("field")
        offer(self.recipient, [], self._shift.get("recipient"))
        with ui.element("div").classes("row days").props('role="group" aria-label="Days"'):
            chosen = self._shift.get("days", DAYS)
            self.days = {
                day: ui.checkbox(day.capitalize(), value=day in chosen, on_change=self.changed).props("dense")
                for day in DAYS
            }
        self.begins = self.text("From", self._shift.get("from", ""), "time")
        self.ends = self.text("Until", self._shift.get("until", ""), "time")
        self.fault = ui.label("").classes("said fault").props('role="status"')

    def document(self) -> dict[str, Any]:
        """The shift as the document has it."""
        return {
            "name": (self.name.value or "").strip(),
            "days": [day for day, box in self.days.items() if box.value],
            "from": self.begins.value or "",
            "until": self.ends.value or "",
            "recipient": self.recipient.value or "",
        }


class Step(Row):
    """A step of the escalation policy: after how long who is called."""

    def __init__(self, changed: Changed, remove: Callable[[Row], None], step: Mapping[str, Any]) -> None:
        self._step = step
        super().__init__("Step", changed, remove)

    def build(self) -> None:
        """Place the fields."""
        after = self._step.get("after_minutes")
        self.after = ui.number("After minutes", value=after, min=0, format="%g", on_change=self.changed)
        own(self.after).props("outlined dense").classes("narrow")
        self.notify = ui.select([], label="Who is called", multiple=True, on_change=self.changed)
        own(self.notify).props("outlined dense use-chips").classes("wide-field")
        offer(self.notify, [], self._step.get("notify", []))

    def document(self) -> dict[str, Any]:
        """The step as the document has it."""
        return {"after_minutes": self.after.value, "notify": list(self.notify.value or [])}


def own(field: Field) -> Field:
    """A field of which only we say what is wrong: it would take that back with each change."""
    field.without_auto_validation()
    return field


def offer(field: ui.select, options: Sequence[str], value: Any) -> None:
    """Offer these values to choose from; what was chosen before stays, though it is none of them."""
    chosen = value if isinstance(value, list) else [value] if value else []
    shown = {option: _said(option) for option in dict.fromkeys([*options, *chosen])}
    if field.options != shown or field.value != value:
        field.set_options(shown, value=value)


def put(field: ValidationElement[Any], fault: str | None) -> None:
    """Say what is wrong with a field next to it."""
    field.error = fault


def own_faults(
    recipients: Sequence[Recipient], shifts: Sequence[Shift], steps: Sequence[Step]
) -> Iterator[tuple[ValidationElement[Any] | ui.label, str]]:
    """What a document could not even say: empty and repeated names, and what was left out."""
    names: set[str] = set()
    for row in recipients:
        name = (row.name.value or "").strip()
        if not name or name in names:
            yield row.name, "a name is used twice" if name else "a name is needed"
        names.add(name)
    for shift in shifts:
        for field in (shift.name, shift.recipient, shift.begins, shift.ends):
            if not (field.value or "").strip():
                yield field, "this is needed"
        if not any(box.value for box in shift.days.values()):
            yield shift.fault, "Choose a day."
    for step in steps:
        if step.after.value is None:
            yield step.after, "this is needed"
        if not step.notify.value:
            yield step.notify, "choose somebody"


def _said(option: str) -> str:
    return f"shift {option.removeprefix(SHIFT)}" if option.startswith(SHIFT) else option
