"""A cycle from its file to its report: sent, watched, counted."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import IO

from hms_act.client import ActClient
from hms_floor.cli import watching
from hms_floor.cli.errors import Failure, Stopped, listed
from hms_floor.cli.refused import RefusedFile
from hms_oms.client import OmsClient
from hms_oms.cycles import Cycle, CycleBegun, CycleReport
from hms_oms.problems import Invalid

#: How often the outbox is looked at, in seconds.
LOOK_SECONDS = 0.2
#: What the door calls the file where it cannot read it.
_FILE = "file"


def run(
    act: ActClient,
    oms: OmsClient,
    job_type: str,
    stream: IO[bytes],
    *,
    name: str,
    refused: Callable[[Cycle], RefusedFile],
    sla_minutes: float | None = None,
    silent: bool = False,
    patience: timedelta | None = None,
) -> CycleReport:
    """Send a file, watch its jobs until they have ended, and report.

    `refused` makes the file for what is turned away, once the number of the cycle is known. Ctrl-C
    ends the sending or the watching, by Stopped, but not the work.
    """
    with watching.view(silent=silent) as view:
        cycle = _send(act, job_type, stream, name, sla_minutes)
        view.note(f"Cycle {cycle.id}: {cycle.type} from {cycle.name}")
        _keep_refused(cycle, view, refused)
        try:
            return watching.follow(oms, cycle.id, view, patience=patience)
        except KeyboardInterrupt:
            raise Stopped(
                f"Stopped watching cycle {cycle.id}; its work goes on."
                f" Look again with: hms cycle report {cycle.id}"
            ) from None


def with_texts_sent(oms: OmsClient, report: CycleReport, patience: timedelta) -> CycleReport:
    """The report once every text of the cycle is handed over, or as it stands when `patience` is over."""
    deadline = time.monotonic() + patience.total_seconds()
    while report.texts > report.texts_delivered and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        report = oms.cycle(report.id)
    return report


def all_well(report: CycleReport) -> bool:
    """Whether every accepted job ended done."""
    return report.progress.done == report.accepted


def all_ended(report: CycleReport) -> bool:
    """Whether every accepted job ended, well or not, and none is lost."""
    return report.progress.ended == report.accepted


def beside(path: Path, home: Path) -> Callable[[Cycle], RefusedFile]:
    """The refused file of a file of requests: next to it, or in the home where that cannot be."""
    return lambda cycle: RefusedFile(path.with_name(f"{path.name}.refused.csv"), in_home(home, cycle))


def in_home(home: Path, cycle: Cycle) -> Path:
    """The place of a refused file that has no better one."""
    return home / f"refused-{cycle.id}.csv"


def _send(
    act: ActClient, job_type: str, stream: IO[bytes], name: str, sla_minutes: float | None
) -> CycleBegun:
    try:
        with _at_hand(stream) as file:
            return act.run_cycle(file, job_type, sla_minutes=sla_minutes, name=name)
    except Invalid as error:
        if not error.faults or any(field != _FILE for field, _ in error.faults):
            raise
        raise Failure(listed(f"{name} cannot be read", [reason for _, reason in error.faults])) from None
    except KeyboardInterrupt:
        raise Stopped(
            "Stopped sending; what had arrived is accepted and will be done. Run the same file again to"
            " accept the rest; see how it goes with: hms cycle list"
        ) from None


@contextmanager
def _at_hand(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """The file itself; of a pipe a copy, for the door does not wait for whoever is slow to fill it."""
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        shutil.copyfileobj(stream, copy)
        copy.seek(0)
        yield copy


def _keep_refused(cycle: CycleBegun, view: watching.View, refused: Callable[[Cycle], RefusedFile]) -> None:
    with refused(cycle) as turned_away:
        for row in cycle.refused_rows:
            turned_away.write(row)
    if turned_away.is_there:
        told = len(cycle.refused_rows)
        of_them = f" of the first {told:,}" if told < cycle.refused else ""
        where = f"line, field and reason{of_them} are in {turned_away.path}"
        view.say(f"Refused rows: {cycle.refused:,}; {where}")
