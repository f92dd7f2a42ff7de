"""A filter of cosmic-ray: changes of annotations are not tried, as nothing reads them when the program runs.

Of a module that is pure in part, only some functions are changed. Its own filters know lines and operators.
"""

from __future__ import annotations

import ast
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

from cosmic_ray.tools.filters.filter_app import FilterApp
from cosmic_ray.work_db import WorkDB
from cosmic_ray.work_item import WorkerOutcome, WorkResult

Place = tuple[int, int]


class LeftOut(FilterApp):
    """Leaves out each change whose place is in an annotation, or in none of the functions."""

    def description(self) -> str:
        """The help of the command line."""
        return str(__doc__)

    def add_args(self, parser: ArgumentParser) -> None:
        """Take the names of functions."""
        parser.add_argument("functions", nargs="*", help="only these are changed (all)")

    def filter(self, work_db: WorkDB, args: Namespace) -> None:
        """Write into the session what is skipped."""
        for item in work_db.pending_work_items:
            [change] = item.mutations
            spans = annotations(Path(change.module_path).read_text(encoding="utf-8"))
            other = bool(args.functions) and change.definition_name not in args.functions
            if other or any(start <= tuple(change.start_pos) < end for start, end in spans):
                result = WorkResult(output="left out", worker_outcome=WorkerOutcome.SKIPPED)
                work_db.set_result(item.job_id, result)


def annotations(source: str) -> Iterator[tuple[Place, Place]]:
    """From where to where each annotation goes: line from 1 and column from 0."""
    for node in ast.walk(ast.parse(source)):
        for part in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(part, ast.expr):
                yield (part.lineno, part.col_offset), (part.end_lineno or 0, part.end_col_offset or 0)


if __name__ == "__main__":
    sys.exit(LeftOut().main())
