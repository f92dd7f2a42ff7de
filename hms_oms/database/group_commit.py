"""Group commit: threads that ask at the same time share one statement and one commit.

One of those that ask leads: it runs all that has piled up, while what comes meanwhile makes the next batch.
The others wait each at a lock of its own, so that nobody is woken but to find the answer, or to lead next. A
batch costs little more than a single row; a process with one thread pays nothing: its batches have one row.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class _Slot(Generic[Asked, Answer]):
    __slots__ = ("answer", "asked", "error", "settled", "woken")

    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.answer: Answer | None = None
        self.error: Exception | None = None
        self.settled = False
        self.woken = threading.Lock()
        self.woken.acquire()


class GroupCommit(Generic[Asked, Answer]):
    """Turns a function of many questions into a function of one, called from many threads.

    `run` gets what has piled up, in order, and returns as many answers. When it raises, it is asked
    again one by one, so it must bear to be; only those whose own question raises get an exception.
    """

    def __init__(self, run: Callable[[Sequence[Asked]], Sequence[Answer | None]]) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._is_led = False
        self._waiting: list[_Slot[Asked, Answer]] = []

    def ask(self, asked: Asked) -> Answer | None:
        """Put one question, wait for its batch to be done, and return the answer."""
        slot: _Slot[Asked, Answer] = _Slot(asked)
        with self._lock:
            self._waiting.append(slot)
            leads, self._is_led = not self._is_led, True
        if not leads:
            slot.woken.acquire()
        if not slot.settled:
            self._lead()
        if slot.error is not None:
            raise slot.error
        return slot.answer

    def _lead(self) -> None:
        """Run one batch, one's own question in it, and hand the lead to the first who came meanwhile."""
        with self._lock:
            batch, self._waiting = self._waiting, []
        try:
            self._settle(batch)
        finally:
            with self._lock:
                successor = self._waiting[:1]
                self._is_led = bool(successor)
            # The next batch goes out while this one's answers are read.
            for slot in (*successor, *batch):
                slot.woken.release()

    def _settle(self, batch: Sequence[_Slot[Asked, Answer]]) -> None:
        try:
            answers = self._run([slot.asked for slot in batch])
            for slot, answer in zip(batch, answers, strict=True):
                slot.answer = answer
        except Exception as error:  # noqa: BLE001 -- handed to the askers, who know what to do
            if len(batch) == 1:
                batch[0].error = error
            else:
                self._settle_one_by_one(batch)
        finally:
            for slot in batch:
                slot.settled = True

    def _settle_one_by_one(self, batch: Sequence[_Slot[Asked, Answer]]) -> None:
        """Find out whose question broke the batch; the others should not suffer for it."""
        for slot in batch:
            try:
                (slot.answer,) = self._run([slot.asked])
            except Exception as error:  # noqa: BLE001 -- handed to its asker alone
                slot.error = error
