"""The history checker: was every promise kept, and each step recorded once?"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from hms_oms.jobs.states import TERMINAL, TRANSITIONS, Fact, Status
from tests.chaos import attribution, guarantees, texts
from tests.chaos.attribution import COMPLETIONS, TakenBack, Wasted
from tests.chaos.executions import Execution
from tests.chaos.history import Ending, Fault, History


@dataclass(frozen=True)
class Findings:
    """What is wrong, one sentence each; and what the faults have cost."""

    lost: list[str]
    recorded_twice: list[str]
    broken_lives: list[str]
    unattributed: list[str]
    broken_guarantees: list[str]
    texts_missing: list[str]
    texts_twice: list[str]
    wasted: list[Wasted]
    hits: list[tuple[Fault, Execution]]
    taken_back: list[TakenBack]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        jobs = (self.lost, self.recorded_twice, self.broken_lives, self.unattributed)
        return not any((*jobs, self.broken_guarantees, self.texts_missing, self.texts_twice))


def check(history: History) -> Findings:
    """Read a history and judge it."""
    wasted = attribution.wasted(history)
    done = {job.key[1]: job.status for job in history.jobs.values() if job.key[0] in history.effective}
    return Findings(
        lost=list(_lost(history)),
        recorded_twice=[
            *_completed_twice(history),
            *_foreign_results(history),
            *_effects_not_once(history),
        ],
        broken_lives=list(_broken_lives(history)),
        unattributed=[_sentence(item.execution) for item in wasted if item.fault is None],
        broken_guarantees=guarantees.broken(
            history.outside, {job.id: job.status for job in history.jobs.values()}
        ),
        texts_missing=texts.missing(history.texts, done),
        texts_twice=[*texts.unlabelled_twice(history.texts), *texts.foreign(history.texts, done)],
        wasted=wasted,
        hits=attribution.hits(history, wasted),
        taken_back=attribution.taken_back(history),
    )


def _lost(history: History) -> Iterator[str]:
    """Accepted requests without a job, jobs that have not ended, or are done with a step missing.

    Of jobs with one key, all but one must be cancelled.
    """
    known = {job.key for job in history.jobs.values()}
    for key in history.accepted:
        if key not in known:
            yield f"{key[0]} {key[1]} was accepted and is not in the ledger"
    having = Counter(job.key for job in history.jobs.values() if job.status != Status.CANCELLED)
    for key, number in having.items():
        if number > 1 and key[1] is not None:
            yield f"{key[0]} {key[1]} belongs to {number} jobs that are not cancelled"
    for job in history.jobs.values():
        if job.status not in TERMINAL:
            yield f"job-{job.id} is still {job.status}"
        elif job.part and job.status == Status.DONE:
            if not job.runs:
                yield f"job-{job.id} is a part that is done without a result"
        elif job.status == Status.DONE:
            for step in sorted(history.expected[job.key[0]] - set(job.runs)):
                yield f"job-{job.id} is done without a result of {step}"


def _completed_twice(history: History) -> Iterator[str]:
    for job, event_log in history.event_log.items():
        times = Counter(entry.completed for entry in event_log if entry.fact in COMPLETIONS)
        for step, number in times.items():
            if number > 1:
                yield f"job-{job}: {step} was recorded {number} times"


def _foreign_results(history: History) -> Iterator[str]:
    """Results that no execution of that step has had."""
    executed = {execution.run: (execution.job, execution.step) for execution in history.executions}
    for job in history.jobs.values():
        for step, run in job.runs.items():
            if executed.get(run) != (job.id, step):
                yield f"job-{job.id}: the result of {step} is of no execution on record ({run})"


def _effects_not_once(history: History) -> Iterator[str]:
    """Effects must be those of the recorded execution, each once: no more, and no less."""
    left: dict[tuple[int, str], list[str]] = defaultdict(list)
    for job_id, step, run in history.effects:
        left[job_id, step].append(run)
    for job in history.jobs.values():
        for step in sorted(history.effective.get(job.key[0], frozenset())):
            runs = left.pop((job.id, step), [])
            recorded = [job.runs[step]] if step in job.runs else []
            if runs != recorded:
                yield f"job-{job.id}: {step} has effects of {runs}, and results of {recorded}"
    for (job_id, step), runs in left.items():
        yield f"job-{job_id}: {step} has left {len(runs)} effects, and should leave none"


def _broken_lives(history: History) -> Iterator[str]:
    """Event logs that do not follow the table of transitions, or end elsewhere than the ledger."""
    for job in history.jobs.values():
        yield from _broken_life(job, history)


def _broken_life(job: Ending, history: History) -> Iterator[str]:
    event_log = history.event_log.get(job.id, ())
    if not event_log or (event_log[0].fact, event_log[0].status) != (Fact.ACCEPTED, Status.WAITING):
        yield f"job-{job.id}: the event log does not begin with its acceptance"
        return
    for before, entry in itertools.pairwise(event_log):
        after = TRANSITIONS.get((Status(before.status), Fact(entry.fact)))
        if after != entry.status:
            yield f"job-{job.id}: {before.status} became {entry.status} by {entry.fact!r}"
    if event_log[-1].status != job.status:
        yield f"job-{job.id}: the event log ends as {event_log[-1].status}, the ledger says {job.status}"


def _sentence(execution: Execution) -> str:
    end = f"{execution.end - execution.begin:.3f} s" if execution.end else "no end on record"
    return (
        f"job-{execution.job}.{execution.attempt}.{execution.step} was executed needlessly by process"
        f" {execution.pid} of worker {execution.parent}: {end}, {execution.how},"
        f" begun at {execution.begin:.3f}"
    )
