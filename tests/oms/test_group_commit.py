"""Group commit: many threads, few statements, each its own answer."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from hms_oms.database.group_commit import GroupCommit


def test_what_piles_up_goes_out_together() -> None:
    """Questions asked while a batch runs make one batch, and everyone gets their own answer."""
    batches: list[list[int]] = []
    first_runs, go_on = threading.Event(), threading.Event()

    def double(asked: Sequence[int]) -> list[int]:
        batches.append(list(asked))
        if len(batches) == 1:
            first_runs.set()
            assert go_on.wait(10)
        return [2 * number for number in asked]

    group: GroupCommit[int, int] = GroupCommit(double)
    answers: dict[int, int | None] = {}
    threads = [
        threading.Thread(target=lambda number=number: answers.update({number: group.ask(number)}))
        for number in range(1, 9)
    ]
    threads[0].start()
    assert first_runs.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(group._waiting) < 7:
        threading.Event().wait(0.001)
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert answers == {number: 2 * number for number in range(1, 9)}
    assert [len(batch) for batch in batches] == [1, 7]


def test_an_error_reaches_everyone_in_its_batch_and_no_one_else() -> None:
    """When a batch fails, its askers get the exception; the next batch goes on."""
    broken = True

    def run(asked: Sequence[int]) -> Sequence[int]:
        if broken:
            raise OSError("gone")
        return asked

    group: GroupCommit[int, int] = GroupCommit(run)
    with pytest.raises(OSError, match="gone"):
        group.ask(1)
    broken = False
    assert group.ask(2) == 2


def test_the_lead_goes_round_and_nobody_is_left_waiting() -> None:
    """Sixteen threads that ask a thousand times each all get their own answers, in fewer batches."""
    batches: list[int] = []

    def run(asked: Sequence[int]) -> list[int]:
        batches.append(len(asked))
        return [-number for number in asked]

    group: GroupCommit[int, int] = GroupCommit(run)
    wrong: list[int] = []

    def ask(first: int) -> None:
        wrong.extend(number for number in range(first, first + 1000) if group.ask(number) != -number)

    threads = [threading.Thread(target=ask, args=(first,), daemon=True) for first in range(0, 16000, 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)
    assert not wrong
    assert sum(batches) == 16000
