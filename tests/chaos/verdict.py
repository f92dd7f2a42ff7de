"""The verdict: a table for people, and one JSON object for programs."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from hms_oms.jobs.states import Fact
from tests.chaos import texts
from tests.chaos.attribution import TakenBack
from tests.chaos.checker import Findings
from tests.chaos.history import Fault, History
from tests.chaos.plan import SHARES
from tests.chaos.storm import Aftermath

#: Recovery must take no longer than this for 99 of 100 jobs, in seconds; and no longer for any other fault.
BARS = {"childKilled": 5.0}
BAR = 10.0
#: Faults of which it is measured how long it took until another led.
SUCCEEDED = ("dispatcherKilled", "dispatcherStopped", "watchKilled", "watchStopped")
#: How many sentences of each kind are shown.
SHOWN = 10


def document(aftermath: Aftermath, findings: Findings, seed: int) -> dict[str, Any]:
    """Everything that was counted and measured, plain."""
    history = aftermath.history
    wasted = Counter(item.fault.kind if item.fault else "unattributed" for item in findings.wasted)
    alone = [item for item in findings.taken_back if not item.overlapped]
    overlapped = [item for item in findings.taken_back if item.overlapped]
    recovery, through_outages = _recovery(alone, history.faults), _recovery(overlapped, ())
    return {
        "accepted": len(history.accepted),
        "ended": dict(Counter(job.status for job in history.jobs.values())),
        "lost": len(findings.lost),
        "recordedTwice": len(findings.recorded_twice),
        "brokenLives": len(findings.broken_lives),
        "brokenGuarantees": len(findings.broken_guarantees),
        "textsMissing": len(findings.texts_missing),
        "textsTwiceUnlabelled": len(findings.texts_twice),
        "textsRepeated": texts.repeated(history.texts),
        "texts": len({shown.phone for shown in history.texts.shown}),
        "pageSeconds": _spread(texts.seconds(history.texts)),
        "outside": _outside(history),
        "executions": len(history.executions),
        "executionsAboveOne": len(findings.wasted),
        "executionsAboveOneBy": dict(wasted),
        "unattributed": len(findings.unattributed),
        "killsOfRunningSteps": len(findings.hits),
        "killsOfRunningStepsBy": dict(Counter(fault.kind for fault, _ in findings.hits)),
        "failuresRecorded": _failures(aftermath.history),
        "faults": dict(Counter(fault.kind for fault in history.faults)),
        "recovery": recovery,
        "recoveryThroughOutages": through_outages,
        "recoveryFromFirstFault": _spread([item.in_all for item in findings.taken_back if item.fault]),
        "takenBackWithoutFault": sum(item.fault is None for item in findings.taken_back),
        "barsMissed": _missed(recovery, through_outages),
        "diedByThemselves": len(aftermath.deaths),
        "replacedThemselves": aftermath.replaced,
        "idleWorkers": len(aftermath.idle),
        "orphans": aftermath.orphans,
        "seconds": round(aftermath.seconds, 1),
        "seed": seed,
    }


def show(aftermath: Aftermath, findings: Findings, counted: Mapping[str, Any], console: Console) -> None:
    """Print the tables, and what is wrong in words."""
    console.print(_faults_table(findings, counted))
    console.print(_verdict_table(counted))
    failed = Counter(job.error for job in aftermath.history.jobs.values() if job.status == "failed")
    strange = [item for item in findings.taken_back if item.fault is None]
    for title, sentences in (
        ("lost", findings.lost),
        ("recorded twice", findings.recorded_twice),
        ("broken lives", findings.broken_lives),
        ("broken guarantees", findings.broken_guarantees),
        ("texts missing", findings.texts_missing),
        ("texts twice, or of nobody", findings.texts_twice),
        ("executed needlessly, without a fault", findings.unattributed),
        ("died by themselves", aftermath.deaths),
        ("idle", aftermath.idle),
        ("failed", [f"{number} x {error}" for error, number in failed.most_common()]),
        ("taken back without a fault", [_taken(item) for item in strange]),
        ("slow, or nearly", [_taken(item) for item in _slow(findings.taken_back)]),
    ):
        if sentences:
            console.print(f"{title}: {len(sentences)}", style="bold")
            for sentence in sentences[:SHOWN]:
                console.print(f"  {sentence}", markup=False, highlight=False)


def exit_code(sound: bool, counted: Mapping[str, Any]) -> int:
    """1 if a promise was broken, 2 if all were kept but a recovery took longer than its bar, else 0."""
    if not sound:
        return 1
    return 2 if counted["barsMissed"] else 0


def _missed(*recoveries: Mapping[str, Mapping[str, float]]) -> list[str]:
    """The kinds of faults after which recovery took too long, whether alone or through an outage."""
    return [
        kind
        for kind in SHARES
        if any(recovery.get(kind, _NONE)["p99"] > BARS.get(kind, BAR) for recovery in recoveries)
    ]


def _outside(history: History) -> dict[str, int]:
    """How much there was to promise."""
    outside = history.outside
    return {
        "eventsHeeded": sum(outside.heeded.values()),
        "parts": len(outside.parts),
        "startedUnderKeys": len(outside.started),
        "scheduleRuns": len(outside.schedule_runs),
        "webhooksPosted": len(outside.posted),
        "webhooksPostedAgain": len(outside.posted) - len({event for event, _ in outside.posted}),
    }


_NONE = {"count": 0, "p50": 0.0, "p99": 0.0, "max": 0.0}


def _failures(history: History) -> dict[str, int]:
    """What steps have failed of, by the event log: the storm's own requests raise ValueError only."""
    facts = (Fact.RETRYING, Fact.FAILED)
    entries = (
        entry for event_log in history.event_log.values() for entry in event_log if entry.fact in facts
    )
    return dict(Counter(str(entry.reason) for entry in entries))


def _recovery(taken_back: Sequence[TakenBack], faults: Sequence[Fault]) -> dict[str, dict[str, float]]:
    """How long it took by kind of fault until a job was taken back, or there was another leader."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for item in taken_back:
        if item.fault is not None:
            seconds[item.fault.kind].append(item.seconds)
    for fault in faults:
        if fault.kind in SUCCEEDED:
            seconds[fault.kind].append(fault.until - fault.at)
    return {kind: _spread(seconds[kind]) for kind in SHARES if seconds[kind]}


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    inorder = sorted(seconds) or [0.0]

    def at(share: float) -> float:
        return round(inorder[max(0, math.ceil(share * len(inorder)) - 1)], 3)

    return {"count": len(seconds), "p50": at(0.5), "p99": at(0.99), "max": at(1.0)}


def _faults_table(findings: Findings, counted: Mapping[str, Any]) -> Table:
    table = Table(title="Faults")
    table.add_column("kind")
    for title in (
        "faults",
        "run again",
        "taken back",
        "p50 s",
        "p99 s",
        "max s",
        "bar s",
        "through an outage p99 s",
    ):
        table.add_column(title, justify="right")
    for kind in SHARES:
        result = counted["recovery"].get(kind, _NONE)
        outage = counted["recoveryThroughOutages"].get(kind, _NONE)
        table.add_row(
            kind,
            str(counted["faults"].get(kind, 0)),
            str(counted["executionsAboveOneBy"].get(kind, 0)),
            str(result["count"]),
            *(f"{result[name]:.2f}" for name in ("p50", "p99", "max")),
            f"{BARS.get(kind, BAR):g}",
            f"{outage['p99']:.2f}",
        )
    return table


def _verdict_table(counted: Mapping[str, Any]) -> Table:
    table = Table(title="Verdict", show_header=False)
    for name in (
        *("accepted", "ended", "lost", "recordedTwice", "brokenLives", "brokenGuarantees"),
        *("texts", "textsMissing", "textsTwiceUnlabelled", "textsRepeated", "pageSeconds"),
        *("outside", "executions", "executionsAboveOne"),
        *("killsOfRunningSteps", "unattributed", "takenBackWithoutFault", "recoveryFromFirstFault"),
        *("diedByThemselves", "replacedThemselves", "idleWorkers"),
        *("failuresRecorded", "orphans", "barsMissed", "seconds", "seed"),
    ):
        table.add_row(name, str(counted[name]))
    return table


def _slow(taken_back: Sequence[TakenBack]) -> list[TakenBack]:
    late = [item for item in taken_back if item.fault and item.seconds > 0.8 * BARS.get(item.fault.kind, BAR)]
    return sorted(late, key=lambda item: -item.seconds)


def _taken(item: TakenBack) -> str:
    entry, following = item.stretch.entry, item.stretch.next
    assert following is not None
    kind = item.fault.kind if item.fault else "nothing"
    ticket = f"job-{item.stretch.job}.{entry.attempt}.{item.stretch.step}"
    return (
        f"{kind} {item.seconds:.2f} s: {ticket} {entry.fact} {entry.who or ''} at {entry.at:.3f},"
        f" {following.fact} at {following.at:.3f}: {following.reason}{', overlapped' * item.overlapped}"
    )
