"""The slots of a worker's process: side by side, and a suspect of having ended a worker by itself."""

from __future__ import annotations

import threading

from workers.claiming.slots import Slots


def test_suspects_that_come_together_each_run_alone() -> None:
    """Eight threads that all hold a slot when they learn that they are to be alone get their turns."""
    slots = Slots()
    together = threading.Barrier(8)
    inside = 0
    observed: list[int] = []

    def suspect() -> None:
        nonlocal inside
        slots.enter()
        together.wait(10)
        slots.be_alone()
        inside += 1
        observed.append(inside)
        inside -= 1
        slots.end_step()

    threads = [threading.Thread(target=suspect, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert observed == [1] * 8


def test_a_step_waits_for_one_that_is_alone() -> None:
    """Who comes while a suspect runs begins after it."""
    slots = Slots()
    slots.enter()
    slots.be_alone()
    began = threading.Event()

    def step() -> None:
        slots.enter()
        began.set()
        slots.end_step()

    other = threading.Thread(target=step, daemon=True)
    other.start()
    assert not began.wait(0.1)
    slots.end_step()
    assert began.wait(10)
