"""A place to drop a file on, with a button that opens the list of files; what is chosen is taken at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nicegui import ui

_OVER = '(event) => { event.preventDefault(); event.currentTarget.classList.add("over"); }'
_AWAY = '(event) => event.currentTarget.classList.remove("over")'
_DROP = (
    '(event) => { event.preventDefault(); event.currentTarget.classList.remove("over");'
    " getElement(%d).$refs.qRef.addFiles(event.dataTransfer.files); }"
)
_PICK = "() => getElement(%d).$refs.qRef.pickFiles()"


def place(button: str, what: str, accept: str, take: Callable[[Any], Any]) -> None:
    """Show the place; `take` gets the event with the file, `accept` are the ends that its name may have."""
    with ui.element("div").classes("drop") as here:
        upload = ui.upload(auto_upload=True, on_upload=take, on_rejected=lambda: _refuse(accept))
        # A file that was taken may be taken again.
        upload.props(f'accept="{accept}"').on("uploaded", upload.reset)
        with ui.element("div").classes("row"):
            ui.button(button, icon="upload_file").on("click", js_handler=_PICK % upload.id)
            ui.label(what).classes("faint")
    here.on("dragover", js_handler=_OVER).on("dragleave", js_handler=_AWAY)
    here.on("drop", js_handler=_DROP % upload.id)


def _refuse(accept: str) -> None:
    ui.notify(f"The name of the file must end in {accept}.", type="negative", position="top")
