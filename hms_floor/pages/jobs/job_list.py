"""A table of jobs from which some are chosen, and what can be done to the chosen ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from hms_floor.pages.jobs.job_actions import JOB_ACTIONS, action_button
from hms_floor.pages.parts.html import Cell, Link, Table
from hms_floor.pages.sign_in.api_client import Refused
from hms_floor.pages.sign_in.session import Visitor


class JobTable:
    """The table, with a column "Job"; `actions` are offered for the chosen jobs as far as a badge goes."""

    def __init__(
        self,
        headers: Sequence[str],
        visitor: Visitor,
        actions: Sequence[str],
        then: Callable[[], Any],
        *,
        caption: str,
        numbers: Sequence[str] = (),
    ) -> None:
        offered = [name for name in actions if visitor.may(*JOB_ACTIONS[name].roles)]
        self._chosen: list[str] = []
        with ui.element("div").classes("row") as self.bar:
            self.told = ui.label("").classes("faint").props('aria-live="polite"')
            for name in offered:
                action_button(name, visitor, self._which, "the chosen jobs", self._after(then))
        self.bar.set_visibility(False)
        on_choose = self._on_choose if offered else None
        self._table = Table(headers, caption=caption, numbers=numbers, key="Job", on_choose=on_choose)

    @property
    def choosing(self) -> bool:
        """Whether somebody is choosing: then the rows must not move."""
        return bool(self._chosen)

    def require_movable(self) -> None:
        """Raise Refused while somebody is choosing: the page says why its list grows old."""
        if self.choosing:
            raise Refused(409, "the list stands still while jobs are chosen")

    def show(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Show these rows, or no table if there is none."""
        self._table.show(rows)
        self._table.set_visibility(bool(rows))

    def clear_choice(self) -> None:
        """Choose none."""
        self._table.choose_none()
        self._on_choose([])

    def _after(self, then: Callable[[], Any]) -> Callable[[], Any]:
        def go_on() -> Any:
            # What is chosen keeps the rows from moving.
            self.clear_choice()
            return then()

        return go_on

    def _on_choose(self, jobs: list[str]) -> None:
        self._chosen = jobs
        self.bar.set_visibility(bool(jobs))
        self.told.set_text(f"{len(jobs):,} chosen; the list stands still meanwhile")

    def _which(self) -> Mapping[str, Any]:
        return {"ids": self._chosen}


def job_link(job: str) -> Link:
    """A cell that leads to the page of a job."""
    return Link(job, f"/floor/jobs/{job}")
