"""Dialogs: they belong to the page, so that nothing rebuilt below takes one away while somebody types.

    with Dialog("Pause farm-grant", "Nothing new is started.") as dialog:
        reason = dialog.text("Why?")
        dialog.does("Pause", act)

`act` returns what to say once it is done; a Refused or a ValueError is shown in the dialog, which stays open.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self, TypeVar

from nicegui import ui

from hms_floor.pages.parts import toasts
from hms_floor.pages.sign_in.api_client import Refused

#: An answer that takes longer than this is waited for in words, in seconds.
SOON_SECONDS = 1.0
#: Focus that the browser could not give back to the button, which may be gone, goes to the page's heading.
_REFOCUS = """() => setTimeout(() => {
  const lost = !document.activeElement || document.activeElement === document.body;
  if (lost && !document.querySelector(".q-dialog")) document.querySelector("h1")?.focus();
}, 50)"""

Act = Callable[[], Awaitable[str | None]]
Field = TypeVar("Field", bound=ui.element)


@contextmanager
def page_level() -> Iterator[None]:
    """Build elements that live as long as the page, or show a toast from a place that may be rebuilt."""
    with ui.context.client.content:
        yield


@contextmanager
def waits(button: ui.button) -> Iterator[None]:
    """Show that a button without a dialog is at work; what is refused inside is shown as a toast."""
    _busy(button)
    try:
        with page_level():
            yield
    except Refused as refused:
        with page_level():
            toasts.tell(refused)
    finally:
        _ready(button)


def _busy(button: ui.button) -> None:
    # Quasar's own `loading` disables the button, which takes the focus away from it.
    button.classes(add="busy").props("aria-busy=true")


def _ready(button: ui.button) -> None:
    if not button.is_deleted:
        button.classes(remove="busy").props(remove="aria-busy")


class Dialog:
    """A dialog with a name, fields and buttons; Enter submits, Escape closes, and it is gone once closed."""

    def __init__(self, title: str, effect: str = "") -> None:
        self._client = ui.context.client
        self._waiting: ui.button | None = None
        self._buttons: ui.element | None = None
        self._submit: Act | None = None
        self._has_field = False
        with page_level():
            self._place = ui.element("div").style("display: none")
        with self._place:
            self._dialog = ui.dialog()
        with self._dialog, ui.card().classes("ask"):
            heading = ui.label(title).classes("title").props('role="heading" aria-level="2"')
            if effect:
                ui.label(effect).classes("faint")
            self.body = ui.element("form").classes("ask-body").props('autocomplete="off" novalidate')
            self._said = ui.label("").classes("said").props('aria-live="polite"')
        self._dialog.props(f'aria-labelledby="{heading.html_id}"')
        self._dialog.on("hide", js_handler=_REFOCUS).on("hide", self._forget, args=[])
        self.body.on("submit.prevent", self._on_submit, args=[])

    def __enter__(self) -> Self:
        self.body.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.body.__exit__(kind, error, trace)
        if error is not None:
            self._place.delete()
            return
        if self._buttons is None:
            self._add_close("Close")
        self._dialog.open()

    def text(self, label: str, value: str = "", hint: str = "") -> ui.input:
        """A field for a line of text."""
        field = ui.input(label, value=value).props("outlined dense")
        if hint:
            field.props(f'hint="{hint}"')
        return self._first(field)

    def number(self, label: str, value: float | None = None, **bounds: float) -> ui.number:
        """A field for a number; `bounds` are its `min` and `max`."""
        field = ui.number(label, value=value, format="%g", **bounds)  # type: ignore[arg-type]
        return self._first(field.props("outlined dense"))

    def choice(self, label: str, options: Mapping[str, str], value: str) -> ui.select:
        """A field for one of several values, each with what it means."""
        field = ui.select(dict(options), label=label, value=value)
        return self._first(field.props("outlined dense"))

    def does(self, verb: str, act: Act, *, danger: bool = False, leave: str = "Close") -> None:
        """Add the button that Enter presses and one that only closes; it closes when `act` is done."""
        self._submit = act
        with self._row():
            self._submit_button = ui.button(verb).props("type=submit")
            if danger:
                self._submit_button.props("color=negative")
        self._add_close(leave)

    def offers(self, verb: str, act: Act) -> None:
        """Add a button that closes nothing: what `act` returns is said in the dialog."""
        with self._row():
            button = ui.button(verb).props("outline")
        button.on_click(lambda: self._run(button, act, closes=False))

    def say(self, words: str, *, fault: bool = False) -> None:
        """Say something in the dialog."""
        if self._said.is_deleted:
            return
        self._said.set_text(words)
        self._said.classes(add="fault" if fault else "", remove="" if fault else "fault")

    def close(self) -> None:
        """Close it."""
        if not self._dialog.is_deleted:
            self._dialog.close()

    async def _on_submit(self) -> None:
        if self._submit is not None:
            await self._run(self._submit_button, self._submit, closes=True)

    async def _run(self, button: ui.button, act: Act, *, closes: bool) -> None:
        if self._waiting is not None or not self._dialog.value:
            return
        self._waiting = button
        _busy(button)
        self.say("")
        with self._place:
            soon = ui.timer(SOON_SECONDS, lambda: self.say("Waiting for an answer ..."), once=True)
        fault, words = "", None
        try:
            words = await act()
        except (Refused, ValueError) as refused:
            fault = str(refused)
        finally:
            soon.cancel()
            self._waiting = None
            _ready(button)
        with self._client.content:
            self._tell(words, fault, closes=closes)

    def _tell(self, words: str | None, fault: str, *, closes: bool) -> None:
        """Say what happened: in the dialog as long as it is open, otherwise on the page."""
        if self._client.is_deleted:
            return
        is_open = bool(self._dialog.value)
        if fault and is_open:
            self.say(fault, fault=True)
        elif fault:
            toasts.tell(Refused(409, fault))
        elif not closes:
            self.say(words or "")
        else:
            self.close()
            if words:
                toasts.done(words)
        if not is_open:
            self._forget()

    def _forget(self) -> None:
        """Take the closed dialog off the page, once nothing that it began is still awaited."""
        if self._waiting is None and not self._place.is_deleted:
            self._place.delete()

    def _first(self, field: Field) -> Field:
        """Put the cursor into the first field."""
        if not self._has_field:
            self._has_field = True
            field.props("autofocus")
        return field

    def _row(self) -> ui.element:
        if self._buttons is None:
            # What is said stands above the buttons: it is read before one is pressed.
            self._said.move(self.body)
            with self.body:
                self._buttons = ui.element("div").classes("row")
        return self._buttons

    def _add_close(self, verb: str) -> None:
        with self._row():
            button = ui.button(verb, on_click=self.close).props("flat")
            if not self._has_field:
                button.props("autofocus")


def whole_number(text: str | None) -> int:
    """A number that somebody typed. Raises ValueError."""
    if not text or not text.strip().isdecimal():
        raise ValueError(f"{text or ''!r} is not a whole number")
    return int(text)
