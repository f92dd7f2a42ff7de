"""A filter of cosmic-ray: changes of annotations are not tried, as nothing reads them when the program runs.

Its own filters know lines and operators, and an annotation is neither.
"""

from __future__ import annotations

import ast
import sys
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

from cosmic_ray.tools.filters.filter_app import FilterApp
from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import WorkerOutcome, WorkResult

Place = tuple[int, int]


class AnnotationsFilter(FilterApp):
    """Leaves out each change whose place is in an annotation."""

    def description(self) -> str:
        """The help of the command line."""
        return str(__doc__)

    def filter(self, work_db: WorkDB, _args: Namespace) -> None:
        """Write into the session that they are skipped."""
        for item in work_db.pending_work_items:
            [change] = item.mutations
            spans = annotations(Path(change.module_path).read_text(encoding="utf-8"))
            if any(start <= tuple(change.start_pos) < end for start, end in spans):
                result = WorkResult(output="annotation", worker_outcome=WorkerOutcome.SKIPPED)
                work_db.set_result(item.job_id, result)


def annotations(source: str) -> Iterator[tuple[Place, Place]]:
    """From where to where each annotation goes: line from 1 and column from 0."""
    for node in ast.walk(ast.parse(source)):
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(part, ast.expr):
                yield (part.lineno, part.col_offset), (part.end_lineno or 0, part.end_col_offset or 0)


if __name__ == "__main__":
    sys.exit(AnnotationsFilter().main())
