"""`python -m tests.model.checker`: look at every state that a model can come to for a promise that is broken.

A promise of one action is broken by a state that says so. That no job is lost is a promise of all of them:
from each state it can still come to an end, without a further fault.
"""

from __future__ import annotations

import argparse
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hms_oms.jobs.states import TERMINAL
from tests.model.ledger import GUARDS, REPAIRS, Model, State

LOST = "a job is lost"


@dataclass(frozen=True)
class Verdict:
    """How many states and actions there are, and the promise that is broken first, with what led to it."""

    states: int
    actions: int
    broken: str | None = None
    path: tuple[str, ...] = ()


def check(model: Model) -> Verdict:
    """Look at every state; stops at the first broken promise, by as few actions as lead to any."""
    first = model.first()
    before: dict[State, tuple[State, str] | None] = {first: None}
    leading: dict[State, list[State]] = {}
    queue, actions = deque([first]), 0
    while queue:
        state = queue.popleft()
        for name, after in model.actions(state):
            actions += 1
            # What costs another fault does not help a job to its end.
            if after.faults == state.faults and after.people == state.people:
                leading.setdefault(after, []).append(state)
            if after not in before:
                before[after] = (state, name)
                if after.broken is not None:
                    return Verdict(len(before), actions, after.broken, _path(before, after))
                queue.append(after)
    lost = _without_end(before, leading)
    if lost is not None:
        return Verdict(len(before), actions, LOST, _path(before, lost))
    return Verdict(len(before), actions)


def _without_end(
    before: dict[State, tuple[State, str] | None], leading: dict[State, list[State]]
) -> State | None:
    """The first state from which the job cannot come to an end any more."""
    ending = {state for state in before if state.status in TERMINAL}
    queue = deque(ending)
    while queue:
        for state in leading.get(queue.popleft(), ()):
            if state not in ending:
                ending.add(state)
                queue.append(state)
    return next((state for state in before if state not in ending), None)


def _path(before: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    names = []
    origin = before[state]
    while origin is not None:
        state, name = origin
        names.append(name)
        origin = before[state]
    return tuple(reversed(names))


def main(arguments: Sequence[str] | None = None) -> int:
    """Check both kinds of jobs with every guard, and without each; 1 if anything is not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m tests.model.checker", description=__doc__)
    parser.add_argument("--faults", type=int, default=2, help="how many faults strike (2)")
    parser.add_argument("--people", type=int, default=1, help="how often people intervene (1)")
    asked = parser.parse_args(arguments)
    good = True
    for steps in (("worker", "worker"), ("worker", "agent")):
        model = Model(steps, asked.faults, asked.people)
        verdict = check(model)
        good = good and verdict.broken is None
        say(
            f"{' and '.join(steps)}: {verdict.states:,} states, {verdict.actions:,} actions:"
            f" {verdict.broken or 'every promise is kept'}",
            *verdict.path,
        )
    for guard in (*GUARDS, *REPAIRS):
        verdict = first_broken(guard, asked.faults, asked.people)
        good = good and verdict.broken == GUARDS.get(guard, LOST)
        say(f"without {guard}: {verdict.broken or 'nothing is broken'}", *verdict.path)
    return 0 if good else 1


def first_broken(guard: str, faults: int, people: int) -> Verdict:
    """What is broken without a guard, by the first kind of job to which that happens."""
    model = Model(faults=faults, people=people, without=frozenset({guard}))
    verdict = check(model)
    return verdict if verdict.broken else check(replace(model, steps=("worker", "agent")))


def say(line: str, *path: str) -> None:
    """Print a line, and what led to it."""
    print(line, *(f"    {name}" for name in path), sep="\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
