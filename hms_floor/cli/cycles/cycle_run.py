"""A cycle from its file to its report: sent, watched, counted."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from hms_act.client import ActClient
from hms_floor.cli import exit_codes
from hms_floor.cli.cycles import cycle_progress, rejected_rows
from hms_floor.cli.terminal.errors import AsksFirst, Failure, Stopped, listed
from hms_oms.api.errors import Conflict, InvalidRequest
from hms_oms.client import OmsClient
from hms_oms.documents.cycles import AcceptedCycle, Cycle, CyclePreview, CycleReport

#: How often the outbox is looked at, in seconds.
LOOK_SECONDS = 0.2
#: What the API calls the file where it cannot read it.
_FILE = "file"
#: Where the refused rows go, and where else if that cannot be written.
Places = tuple[Path, Path]


def run(
    act: ActClient,
    oms: OmsClient,
    job_type: str,
    stream: IO[bytes],
    *,
    name: str,
    places: Callable[[Cycle], Places],
    sla_minutes: float | None = None,
    supersede: bool = False,
    must: bool | None = None,
    accept_refusals: bool = False,
    silent: bool = False,
    patience: timedelta | None = None,
) -> CycleReport:
    """Send a file, watch its jobs until they have ended, and report.

    `places` says where the refused rows go, once the number of the cycle is known. Ctrl-C ends the sending
    or the watching, by Stopped, but not the work.
    """
    with cycle_progress.view(silent=silent) as view:
        with _asking(name):
            cycle = _send(
                act,
                job_type,
                stream,
                name,
                sla_minutes=sla_minutes,
                supersede=supersede,
                must=must,
                accept_refusals=accept_refusals,
            )
        view.note(f"Cycle {cycle.id}: {cycle.type} from {cycle.name}")
        try:
            _tell_left(oms, cycle, view, places)
            return cycle_progress.follow(oms, cycle.id, view, patience=patience)
        except KeyboardInterrupt:
            raise Stopped(
                f"Stopped watching cycle {cycle.id}; its work goes on."
                f" Look again with: hms cycle report {cycle.id}"
            ) from None


def with_texts_sent(oms: OmsClient, report: CycleReport, patience: timedelta) -> CycleReport:
    """The report once every text of the cycle is handed over, or as it stands when `patience` is over."""
    deadline = time.monotonic() + patience.total_seconds()
    while report.texts_by_state.waiting and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        report = oms.cycle(report.id)
    return report


def all_well(report: CycleReport) -> bool:
    """Whether every accepted job ended done."""
    return report.progress.done == report.accepted


def all_ended(report: CycleReport) -> bool:
    """Whether every accepted job ended, well or not, and none is lost."""
    return report.progress.ended == report.accepted


def code(report: CycleReport) -> int:
    """The exit code of a cycle: rows that were not taken count, and so do jobs that did not end done."""
    left = report.refused + report.differing
    whole = report.accepted + report.duplicates + report.refused
    if left and left == whole:
        return exit_codes.ALL_LEFT
    if not all_well(report):
        return exit_codes.ERROR
    return exit_codes.of_parts(left, whole)


def preview(
    act: ActClient, job_type: str, stream: IO[bytes], *, name: str, sla_minutes: float | None
) -> CyclePreview:
    """Preview the run of a file. Raises Failure if it is no list of such requests."""
    with _readable(name), _at_hand(stream) as file:
        return act.preview_cycle(file, job_type, sla_minutes=sla_minutes, name=name)


def beside(path: Path, home: Path) -> Callable[[Cycle], Places]:
    """The refused file of a file of requests: next to it, or in the home where that cannot be."""
    return lambda cycle: (path.with_name(f"{path.name}.refused.csv"), in_home(home, cycle))


def in_home(home: Path, cycle: Cycle) -> Path:
    """The place of a refused file that has no better one."""
    return home / f"refused-{cycle.id}.csv"


def _send(act: ActClient, job_type: str, stream: IO[bytes], name: str, **how: Any) -> AcceptedCycle:
    try:
        with _readable(name), _at_hand(stream) as file:
            return act.run_cycle(file, job_type, name=name, **how)
    except KeyboardInterrupt:
        raise Stopped(
            "Stopped sending; what had arrived is accepted and will be done. Run the same file again to"
            " accept the rest; see how it goes with: hms cycle list"
        ) from None


@contextmanager
def _asking(name: str) -> Iterator[None]:
    """Tell by AsksFirst that most rows of a file would be refused."""
    try:
        yield
    except Conflict as error:
        if not any(field == _FILE for field, _ in error.faults):
            raise
        message = listed(f"{name}: {error}", [reason for _, reason in error.faults])
        raise AsksFirst(
            f"{message}\nMend the file, or start the other rows with --accept-refusals; --dry-run shows both."
        ) from None


@contextmanager
def _at_hand(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file itself; of a pipe a copy, for the API does not wait for the person who is slow to fill it."""
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield copy


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Tell by Failure why a file as a whole cannot be read."""
    try:
        yield
    except InvalidRequest as error:
        if not error.faults or any(field != _FILE for field, _ in error.faults):
            raise
        raise Failure(listed(f"{name} cannot be read", [reason for _, reason in error.faults])) from None


def _tell_left(
    oms: OmsClient, cycle: AcceptedCycle, view: cycle_progress.View, places: Callable[[Cycle], Places]
) -> None:
    if cycle.refused:
        place = rejected_rows.write(oms, cycle.id, *places(cycle))
        view.say(f"Refused rows: {cycle.refused:,}; line, field, reason and row are in {place}")
    if cycle.differing:
        view.say(
            f"Rows that differ from the job that has their key, and were not taken: {cycle.differing:,};"
            f" see them with: hms cycle duplicates {cycle.id} --differing"
        )
