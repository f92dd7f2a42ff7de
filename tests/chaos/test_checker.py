"""The history checker finds nothing in a healthy history, and each planted fault of a broken one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.chaos import verdict
from tests.chaos.checker import Findings, check
from tests.chaos.executions import DONE, Execution
from tests.chaos.history import Ending, Entry, Fault, History

KEY = ("storm:plain:v1", "7")
WORKER = "w@storm/100"


def ran(run: str, step: str, begin: float, *, attempt: int = 1, pid: int = 101) -> Execution:
    """An execution of job 1 by a child of worker 100, which ends a tenth of a second later."""
    return Execution(run, 1, step, attempt, pid, 100, begin, begin + 0.1, DONE)


def healthy() -> History:
    """One job of two steps that was done without a fault: the second one leaves an effect."""
    return History(
        accepted=[KEY],
        expected={KEY[0]: frozenset({"one", "two"})},
        effective={KEY[0]: frozenset({"two"})},
        jobs={1: Ending(1, KEY, "done", ("one", "two"), {"one": "r1", "two": "r2"}, None)},
        event_log={
            1: (
                Entry(10.0, "accepted", "waiting", 0, 1, "storm"),
                Entry(11.0, "dispatched", "queued", 0, 1, None),
                Entry(12.0, "claimed", "running", 0, 1, WORKER),
                Entry(13.0, "advanced", "queued", 1, 1, WORKER, completed="one"),
                Entry(14.0, "claimed", "running", 1, 1, WORKER),
                Entry(15.0, "finished", "done", 1, 1, WORKER, completed="two"),
            )
        },
        effects=[(1, "two", "r2")],
        executions=[ran("r1", "one", 12.1), ran("r2", "two", 14.1)],
        faults=[],
        sighted={},
    )


def killed_in_step_one() -> History:
    """The same job, whose first worker process was killed in its first step: one execution more."""
    history = healthy()
    event_log = history.event_log[1]
    return replace(
        history,
        event_log={
            1: (
                *event_log[:3],
                Entry(12.6, "lost", "waiting", 0, 2, "recovery", reason="the worker's process died"),
                Entry(12.7, "dispatched", "queued", 0, 2, None),
                Entry(12.8, "claimed", "running", 0, 2, WORKER),
                *(replace(entry, attempt=2) for entry in event_log[3:]),
            )
        },
        executions=[
            replace(ran("r0", "one", 12.1), end=None, how=None),
            ran("r1", "one", 12.85, attempt=2, pid=102),
            ran("r2", "two", 14.1, attempt=2, pid=102),
        ],
        faults=[Fault("childKilled", 12.3, 12.3, 100, (101,))],
    )


def test_a_healthy_history_has_no_findings() -> None:
    """Nothing lost, nothing twice, nothing needlessly."""
    findings = check(healthy())
    assert findings.sound
    assert findings.wasted == []


def test_a_job_may_be_cancelled_and_reinstated() -> None:
    """What a person takes back is no broken life; the step that stood is done under the next attempt."""
    history = healthy()
    event_log = history.event_log[1]
    taken_back = replace(
        history,
        event_log={
            1: (
                event_log[0],
                Entry(10.1, "cancelled", "cancelled", 0, 1, "ann"),
                Entry(10.2, "reinstated", "waiting", 0, 2, "ann"),
                *(replace(entry, attempt=2) for entry in event_log[1:]),
            )
        },
        executions=[replace(execution, attempt=2) for execution in history.executions],
    )
    assert check(taken_back).sound


def test_a_key_belongs_to_one_job_that_is_not_cancelled() -> None:
    """A second job with the key is sound beside a cancelled one only."""
    history = healthy()
    cancelled = Ending(2, KEY, "cancelled", ("one", "two"), {}, None)
    event_log = {
        2: (
            Entry(1.0, "accepted", "waiting", 0, 1, "storm"),
            Entry(2.0, "cancelled", "cancelled", 0, 1, "ann"),
        )
    }
    beside = replace(
        history, jobs={**history.jobs, 2: cancelled}, event_log={**history.event_log, **event_log}
    )
    assert check(beside).sound
    twice = replace(beside, jobs={**history.jobs, 2: replace(cancelled, status="failed")})
    assert "storm:plain:v1 7 belongs to 2 jobs that are not cancelled" in check(twice).lost


def test_an_execution_that_a_kill_met_is_attributed() -> None:
    """One execution above one, of the kill that met it; the history is sound all the same."""
    findings = check(killed_in_step_one())
    assert findings.sound
    assert [(item.execution.run, item.fault and item.fault.kind) for item in findings.wasted] == [
        ("r0", "childKilled")
    ]


def test_a_message_is_not_lost_while_it_stands_in_redis() -> None:
    """A worker was stopped when it was put there, and it was flushed seconds later: time counts from then."""
    history = killed_in_step_one()
    event_log = history.event_log[1]
    lost = Entry(12.6, "lost", "waiting", 0, 2, "recovery", reason="the message is gone")
    flushed = replace(
        history,
        event_log={1: (*event_log[:2], lost, *event_log[4:])},
        executions=history.executions[1:],
        faults=[Fault("workerStopped", 11.0, 12.5, 100, ()), Fault("flushed", 12.4, 12.4, None, ())],
        sighted={"job-1.1.one": 12.3},
    )
    [item] = check(flushed).taken_back
    assert item.seconds == pytest.approx(0.3)


def test_a_worker_that_ended_to_be_replaced_is_a_fault() -> None:
    """What it ran is lost with it, as with one that was killed."""
    history = killed_in_step_one()
    event_log = history.event_log[1]
    lost = replace(event_log[3], reason="the worker is gone")
    replaced = replace(
        history,
        event_log={1: (*event_log[:3], lost, *event_log[4:])},
        faults=[Fault("workerReplaced", 12.3, 12.3, 100, ())],
    )
    findings = check(replaced)
    assert [item.fault and item.fault.kind for item in findings.wasted] == ["workerReplaced"]
    assert [item.fault and item.fault.kind for item in findings.taken_back] == ["workerReplaced"]


def test_a_step_that_begins_some_time_after_its_worker_was_stopped_is_attributed() -> None:
    """A child has it when its worker is stopped, and the claim is lost meanwhile."""
    history = killed_in_step_one()
    event_log = history.event_log[1]
    late = replace(
        history,
        event_log={1: (*event_log[:3], replace(event_log[3], reason="the worker is gone"), *event_log[4:])},
        executions=[ran("r0", "one", 13.7, pid=103), *history.executions[1:]],
        faults=[Fault("workerStopped", 12.05, 13.1, 100, (100, 103))],
    )
    [wasted] = check(late).wasted
    assert wasted.fault is not None


def test_a_killed_child_may_be_missed_before_its_worker_tells_of_it() -> None:
    """Then the worker does not name the step any more, and recovery says so."""
    history = killed_in_step_one()
    event_log = history.event_log[1]
    missed = replace(event_log[3], reason="its worker does not have it")
    findings = check(replace(history, event_log={1: (*event_log[:3], missed, *event_log[4:])}))
    assert [item.fault and item.fault.kind for item in findings.taken_back] == ["childKilled"]


def _without_job(history: History) -> History:
    return replace(history, jobs={}, event_log={}, effects=[], executions=[])


def _open_job(history: History) -> History:
    ending = replace(history.jobs[1], status="running", runs={"one": "r1"})
    return replace(history, jobs={1: ending}, event_log={1: history.event_log[1][:5]}, effects=[])


def _missing_result(history: History) -> History:
    return replace(history, jobs={1: replace(history.jobs[1], runs={"two": "r2"})})


def _recorded_twice(history: History) -> History:
    event_log = history.event_log[1]
    again = replace(event_log[3], at=13.5)
    return replace(history, event_log={1: (*event_log[:4], again, *event_log[4:])})


def _result_of_nobody(history: History) -> History:
    return replace(history, jobs={1: replace(history.jobs[1], runs={"one": "r9", "two": "r2"})})


def _effect_twice(history: History) -> History:
    return replace(history, effects=[*history.effects, (1, "two", "r3")])


def _effect_missing(history: History) -> History:
    return replace(history, effects=[])


def _forbidden_transition(history: History) -> History:
    event_log = history.event_log[1]
    return replace(history, event_log={1: (*event_log[:2], *event_log[3:])})


def _events_end_elsewhere(history: History) -> History:
    return replace(history, jobs={1: replace(history.jobs[1], status="failed")})


def _executed_for_no_reason(history: History) -> History:
    return replace(history, executions=[*history.executions, ran("r4", "one", 12.2)])


@pytest.mark.parametrize(
    ("plant", "kinds"),
    [
        (_without_job, {"lost"}),
        (_open_job, {"lost", "unattributed"}),
        (_missing_result, {"lost", "unattributed"}),
        (_recorded_twice, {"recorded_twice", "broken_lives"}),
        (_result_of_nobody, {"recorded_twice", "unattributed"}),
        (_effect_twice, {"recorded_twice"}),
        (_effect_missing, {"recorded_twice"}),
        (_forbidden_transition, {"broken_lives", "unattributed"}),
        (_events_end_elsewhere, {"broken_lives"}),
        (_executed_for_no_reason, {"unattributed"}),
    ],
)
def test_a_planted_fault_is_found(plant: Callable[[History], History], kinds: set[str]) -> None:
    """Each kind of broken promise is found, and counted under its own name."""
    findings = check(plant(healthy()))
    assert not findings.sound
    assert _kinds(findings) == kinds


def _kinds(findings: Findings) -> set[str]:
    names = ("lost", "recorded_twice", "broken_lives", "unattributed")
    return {name for name in names if getattr(findings, name)}


@pytest.mark.parametrize(
    ("sound", "missed", "code"),
    [(True, [], 0), (True, ["flushed"], 2), (False, [], 1), (False, ["flushed"], 1)],
)
def test_a_missed_bar_is_an_exit_code(sound: bool, missed: list[str], code: int) -> None:
    """A storm that kept its promises and was too slow is not a success."""
    assert verdict.exit_code(sound, {"barsMissed": missed}) == code
