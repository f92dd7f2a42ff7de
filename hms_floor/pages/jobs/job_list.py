"""A table of jobs from which some are chosen, and what can be done to the chosen ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nicegui import ui

from hms_floor import subpath
from hms_floor.pages.api_client import Refused
from hms_floor.pages.jobs.job_actions import DEEDS, deed_button
from hms_floor.pages.session import Visitor

Column = Mapping[str, Any]
Row = Mapping[str, Any]

#: Cells that are more than their text.
_CELLS = {
    "id": '<a :href="`{root}/floor/jobs/${props.value}`">{{ props.value }}</a>',
    "status": '<span :class="`status ${props.value}`">{{ props.value }}</span>',
    "slack": '<span :class="{late: props.row.short}">{{ props.value }}</span>',
    "deadline": '<span :class="{late: props.row.late}">{{ props.value }}</span>',
}
#: Boxes that say what they choose.
_CHOOSE_ALL = '<q-checkbox v-model="props.selected" dense aria-label="Choose all that are shown" />'
_CHOOSE = '<q-checkbox v-model="props.selected" dense :aria-label="`Choose ${props.row.id}`" />'


def column(name: str, label: str, *, number: bool = False) -> dict[str, Any]:
    """A column of the table."""
    return {"name": name, "label": label, "field": name, "align": "right" if number else "left"}


class JobTable:
    """The table; `deeds` are offered for the chosen rows as far as the visitor's badge goes."""

    def __init__(
        self,
        columns: Sequence[Column],
        visitor: Visitor,
        deeds: Sequence[str],
        then: Callable[[], Any],
    ) -> None:
        offered = [name for name in deeds if visitor.may(*DEEDS[name].roles)]
        with ui.element("div").classes("row") as self.bar:
            self.told = ui.label("").classes("faint").props('aria-live="polite"')
            for name in offered:
                deed_button(name, visitor, self._chosen, "the chosen jobs", self._after(then))
        self.bar.set_visibility(False)
        self.table = ui.table(
            columns=[dict(each) for each in columns],
            rows=[],
            row_key="id",
            selection="multiple" if offered else None,
            on_select=self._on_select,
        ).classes("jobs")
        self.table.props('flat dense hide-pagination :pagination="{rowsPerPage: 0}" separator="horizontal"')
        root = subpath.root(self.table.client.request.scope)
        for name, inside in _CELLS.items():
            cell = inside.replace("{root}", root)
            self.table.add_slot(f"body-cell-{name}", f'<q-td :props="props">{cell}</q-td>')
        if offered:
            self.table.add_slot("header-selection", _CHOOSE_ALL)
            self.table.add_slot("body-selection", _CHOOSE)
        self._rows: list[Row] = []

    @property
    def choosing(self) -> bool:
        """Whether somebody is choosing: then the rows must not move."""
        return bool(self.table.selected)

    def require_movable(self) -> None:
        """Raise Refused while somebody is choosing: the page says why its list grows old."""
        if self.choosing:
            raise Refused(409, "the list stands still while jobs are chosen")

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows, if they are others than before."""
        if list(rows) == self._rows:
            return
        self._rows = list(rows)
        self.table.rows = [dict(row) for row in rows]

    def clear_choice(self) -> None:
        """Choose none."""
        self.table.selected.clear()
        self.table.update()
        self.bar.set_visibility(False)

    def _after(self, then: Callable[[], Any]) -> Callable[[], Any]:
        def go_on() -> Any:
            # What is chosen keeps the rows from moving.
            self.clear_choice()
            return then()

        return go_on

    def _on_select(self) -> None:
        number = len(self.table.selected)
        self.bar.set_visibility(bool(number))
        self.told.set_text(f"{number:,} chosen; the list stands still meanwhile")

    def _chosen(self) -> Mapping[str, Any]:
        return {"ids": [row["id"] for row in self.table.selected]}
