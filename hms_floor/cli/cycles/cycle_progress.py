"""Watching a cycle from outside: a bar on a terminal, a line now and then elsewhere, or nothing."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Protocol

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hms_floor.cli.terminal import show
from hms_oms.client import OmsClient
from hms_oms.documents.cycles import CycleProgress, CycleReport
from hms_oms.runtime import format

#: How often the ledger is asked, in seconds; less often where the answer takes long.
LOOK_SECONDS = 0.25
#: The share of the time that may go into asking.
LOOK_SHARE = 0.05
#: How often a line is written where there is no terminal, in seconds.
LINE_SECONDS = 5.0
#: The rate is that of the last so many seconds.
RATE_SECONDS = 10.0
#: The narrowest bar that is drawn.
LEAST_BAR = 8
#: When nothing has moved for this long, the reader is told why.
STILL = timedelta(seconds=10)


class View(Protocol):
    """Display of a watched cycle."""

    def show(self, progress: CycleProgress) -> None:
        """Show how it stands."""

    def note(self, sentence: str) -> None:
        """Tell something that a watching reader likes to know."""

    def say(self, sentence: str) -> None:
        """Tell something that must not be missed."""


@contextmanager
def view(*, silent: bool) -> Iterator[View]:
    """The view that fits where standard error goes."""
    if silent:
        yield Silent()
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        with Live(console=show.err(), auto_refresh=False, redirect_stdout=False) as live:
            yield Bar(live)
    else:
        yield Lines()


def follow(oms: OmsClient, cycle: int, shown_on: View, *, patience: timedelta | None = None) -> CycleReport:
    """Watch until every job of a cycle has ended, or until nothing has moved for as long as `patience`.

    Returns what came of it.
    """
    shown = None
    while True:
        began = time.monotonic()
        report = oms.cycle(cycle)
        progress = report.progress
        shown_on.show(progress)
        if not progress.open:
            return report
        still = progress.now - (progress.moved_at or progress.now)
        if still > STILL and shown != progress.moved_at:
            shown = progress.moved_at
            why = _why_still(oms, progress)
            if why:
                shown_on.say(f"Nothing has moved for {show.about(still)}: {why}.")
        if patience is not None and still > patience and not progress.delayed:
            return report
        time.sleep(max(LOOK_SECONDS, (time.monotonic() - began) / LOOK_SHARE))


def _why_still(oms: OmsClient, progress: CycleProgress) -> str | None:
    """Reason why open jobs do not move; None if their steps run and just take long."""
    standing = [queue for queue in oms.queues() if queue.open]
    for queue in standing:
        if queue.paused_at:
            return f"queue {queue.name} is paused by {queue.paused_by}"
        if queue.slots_lost and queue.slots_lost == queue.slots:
            return f"queue {queue.name} has {format.slots(queue.slots, queue.slots_lost)}"
        if not queue.workers:
            return f"no live worker serves queue {queue.name}; `hms up` starts some"
    if progress.running:
        return None
    if progress.delayed:
        return f"{progress.delayed:,} jobs may not start yet (delayed, or tried again later)"
    if progress.held:
        return f"{progress.held:,} jobs are held until their applicants answer"
    return "is a dispatcher running? `hms check` tells, `hms act run` starts one"


class Throughput:
    """Rate at which jobs end, and the time that the open ones need at that rate."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, now: float, ended: int) -> None:
        """At `now` (monotonic seconds) so many jobs had ended."""
        self._seen.append((now, ended))
        while len(self._seen) > 2 and self._seen[1][0] < now - RATE_SECONDS:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        """Jobs that ended per second lately."""
        (first, before), (last, after) = self._seen[0], self._seen[-1]
        return (after - before) / (last - first) if last > first else 0.0

    def left(self, open_jobs: int) -> timedelta | None:
        """Time that the open jobs need at this rate; None if there is no rate yet."""
        return timedelta(seconds=open_jobs / self.per_second) if self.per_second else None


def counts(progress: CycleProgress, throughput: Throughput) -> Text:
    """Counts of a cycle by status, on one line."""
    good = [
        ("ready", progress.waiting),
        ("queued", progress.queued),
        ("running", progress.running),
        ("done", progress.done),
    ]
    bad = [("failed", progress.failed), ("late", progress.late)]
    if progress.delayed:
        bad.append(("delayed", progress.delayed))
    if progress.held:
        bad.append(("held", progress.held))
    if progress.cancelled:
        bad.append(("cancelled", progress.cancelled))
    # As wide as the whole, so that the line does not jump about; what is bad is rare, and may.
    width = len(f"{progress.open + progress.ended:,}")
    parts = [(word, number, width) for word, number in good] + [(word, number, 0) for word, number in bad]
    line = Text("  ", overflow="ellipsis", no_wrap=True).join(
        Text.assemble((f"{word} ", "dim"), show.count(number, show.STYLES.get(word, ""), room))
        for word, number, room in parts
    )
    if progress.open:
        left = throughput.left(progress.open)
        line.append(f"  {60 * throughput.per_second:,.0f}/min", style="dim")
        line.append(f"  {show.about(left)} left" if left is not None else "", style="dim")
    return line


class Silent:
    """Shows nothing but what must not be missed."""

    def show(self, progress: CycleProgress) -> None:
        """Show nothing."""

    def note(self, sentence: str) -> None:
        """Tell nothing."""

    def say(self, sentence: str) -> None:
        """Tell it on standard error."""
        show.err().print(show.plain(sentence), soft_wrap=True)


class Talking(Silent):
    """Tells everything on standard error."""

    def note(self, sentence: str) -> None:
        """Tell it, too."""
        self.say(sentence)


class Lines(Talking):
    """A line now and then, for logs."""

    def __init__(self) -> None:
        self._throughput = Throughput()
        self._next = 0.0

    def show(self, progress: CycleProgress) -> None:
        """Write a line, if the last one is old or this is the end."""
        now = time.monotonic()
        self._throughput.note(now, progress.ended)
        if now >= self._next or not progress.open:
            self._next = now + LINE_SECONDS
            whole = progress.open + progress.ended
            self.say(f"{progress.ended:,} of {whole:,} ended: {counts(progress, self._throughput).plain}")


class Bar(Talking):
    """A bar that is drawn again in its place."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._throughput = Throughput()

    def show(self, progress: CycleProgress) -> None:
        """Draw it."""
        self._throughput.note(time.monotonic(), progress.ended)
        whole = progress.open + progress.ended
        share = show.share(progress.ended, whole) if whole else "no new job"
        line = Text.assemble((f"{progress.ended:,} of {whole:,}", "bold"), "  ", (share, "dim"))
        # No bar for lack of width: a number is never broken, and what is cut ends with a sign of it.
        line.no_wrap, line.overflow = True, "ellipsis"
        width = min(40, self._live.console.width - line.cell_len - 2)
        first: RenderableType = line
        if width >= LEAST_BAR:
            first = Table.grid(padding=(0, 2, 0, 0))
            first.add_row(ProgressBar(total=max(whole, 1), completed=progress.ended, width=width), line)
        self._live.update(Group(first, counts(progress, self._throughput)), refresh=True)
