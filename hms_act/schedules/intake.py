"""Takes the files of a run: each becomes a cycle, in one transaction with the note that it was taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import httpx
from sqlalchemy import Connection

from hms_act import cycle
from hms_act.files import csv_rows, json_lines, majority
from hms_act.files.csv_rows import Refusal, Row, UnreadableFile
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
#: What becomes of a file; while another process has the run, nothing.
Fate = Literal["taken", "refused", "known", "busy"]


@dataclass(frozen=True, slots=True)
class Seen:
    """A look for the files of a run: what is missing, whether more is on its way, or some was refused."""

    missing: str | None
    more: bool = False
    refused: bool = False


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
        looked = (self._fetched if is_url(schedule.source) else self._from_folder)(
            schedule, recipe, run, schedule.source
        )
        if looked is None:
            return
        with self._begin() as connection:
            if not runs.take(connection, run.id):
                return
            cycles, faults = runs.taken(connection, run.id)
            said = "; ".join([*faults, *([looked.missing] if looked.missing else [])]) or None
            if cycles and not looked.more:
                runs.end(connection, run.id, "started", note="; ".join(faults) or None)
                if not looked.refused:
                    # What was refused before has been corrected by what has come now.
                    runs.settle(connection, run.id, schedule.actor)
            elif run.requested_by is not None and not looked.more:
                runs.end(connection, run.id, "failed" if faults else "skipped", note=said)
            elif said:
                runs.note(connection, run.id, said)

    def _from_folder(self, schedule: Schedule, recipe: Recipe, run: Run, source: str) -> Seen | None:
        """Take new files of a folder."""
        try:
            paths, growing = self.folder.look(schedule.name, source)
        except NoFolder as error:
            return Seen(str(error))
        refused = False
        for path in paths:
            try:
                with path.open("rb") as stream:
                    content = spool.of_stream(stream)
            except TooLarge as error:
                return Seen(f"{path.name} {error}", refused=refused)
            except OSError as error:
                return Seen(f"{path.name} cannot be read: {error.strerror}", refused=refused)
            with content.stream:
                fate = self._take(schedule, recipe, run, path.name, content)
            if fate == "busy":
                return None
            refused = refused or fate == "refused"
            self.folder.done(schedule.name, path)
        if growing:
            return Seen(f"{growing} still being written", more=True, refused=refused)
        return Seen(f"no new file {source} in {self.folder.root}", refused=refused)

    def _fetched(self, schedule: Schedule, recipe: Recipe, run: Run, source: str) -> Seen | None:
        """Take the file of a URL if it is new; None if it is not time to ask for it."""
        now = time.monotonic()
        if now - self._asked.get(run.id, float("-inf")) < ASK_SECONDS:
            return None
        self._asked[run.id] = now
        if self._client is None:
            self._client = httpx.Client(timeout=fetching.SILENCE_SECONDS)
        try:
            content = fetching.fetch(source, self._allowed, self._client, now + fetching.WHOLE_SECONDS)
        except NotFetched as error:
            return Seen(str(error))
        except TooLarge as error:
            return Seen(f"{shown(source)} {error}")
        with content.stream:
            if not content.size:
                return Seen(f"the file at {shown(source)} is empty")
            fate = self._take(schedule, recipe, run, fetching.name_of(source), content)
        if fate == "busy":
            return None
        old = f"no new file at {shown(source)}: it is that of a run before"
        return Seen(old if fate == "known" else None, refused=fate == "refused")

    def _take(self, schedule: Schedule, recipe: Recipe, run: Run, name: str, content: Spooled) -> Fate:
        """Make a cycle of a file, in one transaction with the note that it was taken."""
        with self._begin() as connection:
            if not runs.take(connection, run.id):
                return "busy"
            if not runs.add_file(
                connection, schedule, run.id, digest=content.digest, name=name, size=content.size
            ):
                return "known"
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
                fault = f"{name} is refused: {_told(error)}"
            runs.settle_file(connection, schedule, content.digest, batch=batch, fault=fault)
        return "taken" if fault is None else "refused"


def _told(error: HmsError) -> str:
    """Why a file is refused, without its first line: where the header is missing that is somebody's data."""
    if isinstance(error, UnreadableFile):
        return "; ".join(fault for fault in error.faults if not fault.startswith("found "))
    return str(error)


def _rows(recipe: Recipe, stream: IO[bytes], name: str) -> Iterator[Row | Refusal]:
    reader = json_lines.read if name.lower().endswith(JSON_SUFFIXES) else csv_rows.read
    return reader(stream, recipe)
