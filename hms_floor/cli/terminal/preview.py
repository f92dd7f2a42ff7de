"""Previews on the terminal: what a change would do to open jobs, before it is made."""

from __future__ import annotations

from collections.abc import Iterable

import click

from hms_floor.cli.terminal import show
from hms_floor.presentation.foresight import effect_words
from hms_oms.api.codec import document
from hms_oms.documents.foresight import Effect

dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Change nothing; tell which open jobs would be late because of it."
)


def tell(change: str, effect: Effect | None) -> None:
    """Tell of a change that was not made, and its effect."""
    show.lines(
        f"{change} Nothing was changed.", effect_words.told(None if effect is None else document(effect))
    )


def tell_all(change: str, effects: Iterable[Effect], unmeasured: Iterable[str]) -> None:
    """Tell of a change to jobs that was not made, and its effects on their queues."""
    show.lines(f"{change} Nothing was changed.", *effect_words.all_told(map(document, effects), unmeasured))
