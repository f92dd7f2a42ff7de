"""What a change to many jobs would do to the others of their queues."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import cast

from hms_floor.api.app_state import AppState
from hms_floor.api.requests import bulk as asked_bulk
from hms_ops.foresight import previews
from hms_ops.foresight.previews import Previews


def effects(app_state: AppState, body: asked_bulk.AnyBulk, pages: Iterable[Sequence[int]]) -> Previews:
    """The effects of a change to the jobs of these pages, by queue; none if it has none on others."""
    if body.action not in previews.ACTIONS or not body.forecast:
        return Previews([], [])
    # Promoted one by one, the last is the very next one.
    chosen = [*chain.from_iterable(pages)]
    chosen = chosen[::-1] if body.action == "promote" else chosen
    with app_state.reading() as connection:
        return previews.jobs(
            connection,
            cast("previews.Action", body.action),
            chosen,
            now=isinstance(body, asked_bulk.BulkCancel) and body.now,
            priority=body.priority if isinstance(body, asked_bulk.BulkPrioritize) else 0,
            to=body.queue if isinstance(body, asked_bulk.BulkMove) else "",
        )
