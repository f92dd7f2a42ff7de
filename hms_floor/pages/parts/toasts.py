"""Toasts: short words over the page about what was just done, or refused."""

from __future__ import annotations

from nicegui import ui

from hms_floor.pages.sign_in.api_client import Refused


def tell(refused: Refused) -> None:
    """Show why something was refused."""
    ui.notify(str(refused), type="negative", position="top", timeout=8000, close_button="Close")


def done(words: str) -> None:
    """Show that something was done."""
    ui.notify(words, type="positive", position="top", timeout=4000)
