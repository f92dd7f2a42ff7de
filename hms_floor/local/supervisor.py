"""Keeps programs running: starts them again when they end, and stops them in order."""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hms_floor.local.processes import Child, Program, last_words, log_file, record, strike
from hms_oms.runtime.errors import HmsError

#: Seconds before a program that ended is started again: the first time, and at most.
BACKOFF_SECONDS = (1.0, 30.0)
#: A program that ran this long has recovered: its next end counts as the first.
STEADY_SECONDS = 60.0
#: A program that ends this often before it was ready will not be.
READY_ENDS = 3


class NotReady(HmsError):
    """A program does not come up."""

    def __init__(self, home: Path, name: str) -> None:
        words = last_words(home, name)
        super().__init__(f"{name} does not come up; its last words (from {log_file(home, name)}):\n{words}")


@dataclass
class _Post:
    """A program's place: who fills it, since when, and when the next one is due."""

    program: Program
    process: Child | None = None
    since: float = 0.0
    due: float = 0.0
    pause: float = 0.0
    ends: int = 0
    ready: Child | None = None

    def is_ready(self) -> bool:
        process, ready = self.process, self.program.ready
        if process is not self.ready and (process is None or ready is None or ready(process.pid)):
            self.ready = process
        return process is not None and process is self.ready


class Supervisor:
    """Keeps programs running from a thread of its own, until it is told to stop them.

    The thread sleeps until a child ends or a pause is over; between those it costs nothing. `over` is
    called when it ends, `pauses` are the first and the longest before a program is started again.
    """

    def __init__(
        self,
        home: Path,
        *,
        say: Callable[[str], None],
        over: Callable[[], None],
        pauses: tuple[float, float] = BACKOFF_SECONDS,
    ) -> None:
        self._home = home
        self._pauses = pauses
        self._say = say
        self._over = over
        self._posts: list[_Post] = []
        self._stopping = False
        self._hurrying = False
        # Children that ended, and None to wake up. This kind of queue may be used in a signal handler.
        self._inbox: queue.SimpleQueue[Child | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="supervisor", daemon=True)
        self._thread.start()

    def keep(self, program: Program, process: Child | None = None) -> None:
        """Keep `program` running; `process` is the one that runs already, and is on record."""
        self._posts.append(_Post(program, process, since=time.monotonic()))
        if process is not None:
            self._watch(process)
        self._inbox.put(None)

    def await_ready(self, seconds: float) -> None:
        """Return once every program is ready. Raises NotReady, with the last words of one that is not."""
        deadline = time.monotonic() + seconds
        while late := [post for post in self._posts if not post.is_ready()]:
            for post in late:
                if post.ends >= READY_ENDS or time.monotonic() > deadline:
                    raise NotReady(self._home, post.program.name)
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop everything in order and return when it is gone."""
        self._stopping = True
        self._inbox.put(None)
        self._thread.join()

    def hurry(self) -> None:
        """Give a stop that is under way no more time; safe to call in a signal handler."""
        self._hurrying = True
        self._inbox.put(None)

    def _work(self) -> None:
        try:
            while not self._stopping:
                self._start_due()
                self._listen(self._seconds_to_next())
            for rank in sorted({post.program.rank for post in self._posts}):
                self._end([post for post in self._posts if post.program.rank == rank])
        finally:
            self._over()

    def _listen(self, seconds: float | None) -> None:
        try:
            word = self._inbox.get(timeout=seconds)
        except queue.Empty:
            return
        if word is not None:
            self._bury(word)

    def _start_due(self) -> None:
        for post in self._posts:
            if post.process is None and post.due <= time.monotonic():
                try:
                    process = post.program.start()
                except (OSError, HmsError) as error:
                    self._try_later(post, f"cannot be started ({error})")
                    continue
                record(self._home, post.program, process.pid)
                post.process, post.since = process, time.monotonic()
                self._watch(process)

    def _watch(self, process: Child) -> None:
        def wait() -> None:
            if hasattr(os, "waitid"):
                # Not reaped yet, so that its pid, and the group of that name, cannot be anybody else's.
                os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            else:
                process.wait()
            self._inbox.put(process)

        threading.Thread(target=wait, name=f"watch-{process.pid}", daemon=True).start()

    def _bury(self, process: Child) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # a pool does not outlive its worker
        code = process.wait()
        for post in self._posts:
            if post.process is process:
                post.process = None
                strike(self._home, post.program.name)
                if not self._stopping:
                    self._try_later(post, _how(code))

    def _try_later(self, post: _Post, how: str) -> None:
        now = time.monotonic()
        first, longest = self._pauses
        recovered = now - post.since >= STEADY_SECONDS
        post.pause = first if recovered or not post.pause else min(post.pause * 2, longest)
        post.due = now + post.pause
        post.ends += 1
        log = log_file(self._home, post.program.name)
        self._say(f"{post.program.name} {how}; it is started again in {post.pause:g} s (see {log})")

    def _seconds_to_next(self) -> float | None:
        due = [post.due for post in self._posts if post.process is None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _end(self, posts: Sequence[_Post]) -> None:
        for turn in range(max(len(post.program.stops) for post in posts)):
            deadline = time.monotonic()
            for post in posts:
                if post.process and turn < len(post.program.stops):
                    number, seconds = post.program.stops[turn]
                    os.kill(post.process.pid, number)
                    deadline = max(deadline, time.monotonic() + seconds)
            # In a hurry, only the first and friendliest signal is cut short.
            while any(post.process for post in posts) and not (self._hurrying and turn == 0):
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._listen(left)


def _how(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"
