"""Takes the files of a run: each becomes a cycle, in one transaction with the note that it was taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

import httpx
from sqlalchemy import Connection

from hms_act import cycle
from hms_act.files import csv_rows, json_lines, majority
from hms_act.files.csv_rows import Refusal, Row
from hms_act.schedules import fetching, spool
from hms_act.schedules.fetching import NotFetched
from hms_act.schedules.folder import Folder, NoFolder
from hms_act.schedules.spool import Spooled, TooLarge
from hms_oms.recipes.recipes import Recipe
from hms_oms.recipes.schedules.written import JSON_SUFFIXES, is_url, shown
from hms_oms.runtime.errors import HmsError
from hms_oms.schedules import runs
from hms_oms.schedules.records import Run, Schedule

#: How often a URL is asked for a file that has not come, in seconds.
ASK_SECONDS = 30.0

Begin = Callable[[], AbstractContextManager[Connection]]


class Intake:
    """Takes files from folders below `root`, and from URLs of the hosts `allowed`."""

    def __init__(self, begin: Begin, root: Path, allowed: Collection[str]) -> None:
        self._begin = begin
        self.folder = Folder(root)
        self._allowed = allowed
        self._asked: dict[int, float] = {}
        self._client: httpx.Client | None = None

    def look(self, schedule: Schedule, recipe: Recipe, run: Run) -> None:
        """Take what has come for a run; end it if all that has come is taken, else note what it waits for."""
        assert schedule.source is not None
        words, more = (self._fetched if is_url(schedule.source) else self._from_folder)(
            schedule, recipe, run, schedule.source
        )
        with self._begin() as connection:
            if not runs.take(connection, run.id):
                return
            cycles, faults = runs.taken(connection, run.id)
            said = "; ".join([*faults, *([words] if words else [])]) or None
            if cycles and not more:
                runs.end(connection, run.id, "started", note="; ".join(faults) or None)
            elif run.requested_by is not None and not more:
                runs.end(connection, run.id, "failed" if faults else "skipped", note=said)
            elif said:
                runs.note(connection, run.id, said)

    def _from_folder(
        self, schedule: Schedule, recipe: Recipe, run: Run, source: str
    ) -> tuple[str | None, bool]:
        """Take new files of a folder; what is missing, and whether more is on its way."""
        try:
            paths, growing = self.folder.look(schedule.name, source)
        except NoFolder as error:
            return str(error), False
        for path in paths:
            try:
                with path.open("rb") as stream:
                    content = spool.of_stream(stream)
            except TooLarge as error:
                return f"{path.name} {error}", False
            except OSError as error:
                return f"{path.name} cannot be read: {error.strerror}", False
            with content.stream:
                self._take(schedule, recipe, run, path.name, content)
            self.folder.done(schedule.name, path)
        missing = f"no new file {source} in {self.folder.root}"
        return (f"{growing} still being written" if growing else missing), growing > 0

    def _fetched(self, schedule: Schedule, recipe: Recipe, run: Run, source: str) -> tuple[str | None, bool]:
        """Take the file of a URL if it is new; what is missing."""
        now = time.monotonic()
        if now - self._asked.get(run.id, float("-inf")) < ASK_SECONDS:
            return run.note, False
        self._asked[run.id] = now
        if self._client is None:
            self._client = httpx.Client(timeout=fetching.SILENCE_SECONDS)
        try:
            content = fetching.fetch(source, self._allowed, self._client, now + fetching.WHOLE_SECONDS)
        except NotFetched as error:
            return str(error), False
        except TooLarge as error:
            return f"{shown(source)} {error}", False
        with content.stream:
            is_new = bool(content.size) and self._take(
                schedule, recipe, run, fetching.name_of(source), content
            )
        return (None if is_new else f"no new file at {shown(source)}: it is that of a run before"), False

    def _take(self, schedule: Schedule, recipe: Recipe, run: Run, name: str, content: Spooled) -> bool:
        """Make a cycle of a file; False if the schedule has taken this content before."""
        with self._begin() as connection:
            if not runs.take(connection, run.id) or not runs.add_file(
                connection, schedule, run.id, digest=content.digest, name=name, size=content.size
            ):
                return False
            batch, fault = None, None
            try:
                with connection.begin_nested():
                    batch = cycle.accept_whole(
                        connection,
                        recipe,
                        majority.checked(_rows(recipe, content.stream, name)),
                        name=name,
                        requested_by=schedule.actor,
                        sla_minutes=schedule.sla_minutes,
                    ).id
            except HmsError as error:
                fault = f"{name} is refused: {error}"
            runs.settle_file(connection, schedule, content.digest, batch=batch, fault=fault)
        return True


def _rows(recipe: Recipe, stream: IO[bytes], name: str) -> Iterator[Row | Refusal]:
    reader = json_lines.read if name.lower().endswith(JSON_SUFFIXES) else csv_rows.read
    return reader(stream, recipe)
