"""Runs: lanes side by side that walk paths, each with what strikes on it, and what comes of them."""

from __future__ import annotations

import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from hms_floor.local import embedded
from tests.failpoints import plan
from tests.failpoints.lanes import Lane, Stalled
from tests.failpoints.paths import PATHS, Way
from tests.failpoints.plan import Trial
from tests.failpoints.points import Point
from tests.provider.driver import Provider
from tests.support.clusters import TEMPLATE, copy_cluster
from tests.support.databases import Databases
from tests.webhooks.receiver import receiving

#: A path on which a program passes the points of its upkeep meanwhile.
UPKEEP_PATHS = {
    **dict.fromkeys(("act", "worker", "heartbeat", "floor"), "order"),
    "far": "relay",
    "ops": "event",
}
#: How long a fault may take to strike that stands on a path that has been walked, and one in a loop, seconds.
LATE_SECONDS, UPKEEP_SECONDS = 1.0, 20.0
#: What has not struck is tried so often.
TRIES = 3
#: So many lanes have a PostgreSQL and a Redis of their own: more would use up the connections of one.
LANES_OF_A_GROUND = 6

#: Databases are migrated one at a time: what does it is not made for several threads.
_preparing = threading.Lock()


@dataclass
class Verdict:
    """What has come of a trial."""

    trial: Trial
    struck: int
    wrong: dict[str, list[str]] = field(default_factory=dict)
    seconds: float = 0.0
    log: str = ""


class Ground:
    """Servers, and the databases of lanes on them."""

    def __init__(self, home: Path, broker_url: str, databases: Databases) -> None:
        self._home, self._broker_url, self._databases = home, broker_url, databases
        self._lock = threading.Lock()
        self._count = 0
        self._lanes: list[Lane] = []
        #: What programs have sent though it is not declared.
        self.undeclared: set[str] = set()

    @contextmanager
    def lane(self, number: int) -> Iterator[Lane]:
        """A lane with a database, a Redis, a provider and a receiver of its own, until the block ends."""
        with ExitStack() as held, ExitStack() as lent:
            with self._lock:
                self._count += 1
                home, folder = (self._home / f"{name}{self._count}" for name in ("lane", "provider"))
                folder.mkdir()
                url = lent.enter_context(self._databases.lent())
                held.callback(self._give_back, lent.pop_all())
            provider = held.enter_context(Provider.start(folder))
            receiver = held.enter_context(receiving())
            broker = f"{self._broker_url}?virtual_host={number}"
            with _preparing:
                lane = Lane(home, url, broker, provider, receiver)
                self._lanes.append(lane)
            held.callback(lane.end)
            yield lane

    def end(self) -> None:
        """End what runs in lanes that were left."""
        for lane in self._lanes:
            lane.end()

    def _give_back(self, lent: ExitStack) -> None:
        with self._lock:
            lent.close()


@contextmanager
def grounded(lanes: int) -> Iterator[list[Ground]]:
    """Servers for so many lanes, until the block ends."""
    shared = Path("/dev/shm")
    with ExitStack() as held:
        folder = tempfile.TemporaryDirectory(
            prefix="hms-points-", dir=shared if shared.is_dir() else None, ignore_cleanup_errors=True
        )
        home = Path(held.enter_context(folder))
        grounds = []
        for number in range(-(-lanes // LANES_OF_A_GROUND)):
            place = home / f"ground{number}"
            (place / "servers").mkdir(parents=True)
            copy_cluster(home, place / "servers")
            servers = held.enter_context(embedded.serving(place / "servers", fast=True))
            assert servers.database_url is not None
            assert servers.broker_url is not None
            grounds.append(Ground(place, servers.broker_url, Databases(servers.database_url, TEMPLATE)))
            held.callback(grounds[-1].end)
        yield grounds


class Walker:
    """A lane with the paths that have been prepared there, and what each is like if nothing strikes."""

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        #: What was sent, with faults and without.
        self.calls: set[str] = set()
        self._paths: dict[str, Way] = {}
        self._references: dict[str, object] = {}

    def path(self, name: str) -> Way:
        """A path whose programs are at work, and which has been walked without faults before."""
        if name not in self._paths:
            path = self._paths[name] = PATHS[name](self.lane)
            path.prepare()
        path = self._paths[name]
        self.lane.staff(path.programs)
        if name not in self._references:
            self.lane.script.arm(*path.given)
            path.walk()
            self._references[name] = path.story().told
            self._note_calls()
        return path

    def reached(self, name: str, upkeep: str | None, seconds: float) -> list[Point]:
        """The points of a path that is walked without faults."""
        path = self.path(name)
        self._begin(upkeep)
        self.lane.script.arm(*path.given)
        self.lane.tend()
        path.walk()
        time.sleep(seconds)
        self.lane.script.disarm()
        return self.lane.script.reached()

    def tried(self, trial: Trial) -> Verdict:
        """Walk a path while faults strike on it."""
        path = self.path(trial.path)
        began = time.monotonic()
        self._begin(trial.upkeep)
        self.lane.script.arm(*path.given, *trial.faults)
        verdict = Verdict(trial, 0)
        try:
            self.lane.tend()
            path.walk()
            self._wait_for_faults(trial)
            self._judge(verdict, path)
            if trial.upkeep:
                path.walk()
                self._judge(verdict, path)
            # Once all are at work again nothing may come after the end.
            self.lane.staff(path.programs)
            self._judge(verdict, path)
        except Stalled as stalled:
            _note(verdict, lost=[f"waited needlessly for {stalled}"])
        except Exception as error:  # noqa: BLE001 -- those who come after it are tried all the same
            _note(verdict, other=[f"{type(error).__name__}: {error}"])
        _note(verdict, died=[*self.lane.deaths])
        self.lane.deaths.clear()
        verdict.struck = self._struck(trial)
        self.lane.script.disarm()
        self._note_calls()
        verdict.seconds = time.monotonic() - began
        return verdict

    def _begin(self, upkeep: str | None) -> None:
        self.lane.script.disarm()
        if upkeep is not None:
            self.lane.kill(upkeep)

    def _note_calls(self) -> None:
        self.calls |= {f"{point.program}: {point.call}" for point in self.lane.script.reached()}

    def _judge(self, verdict: Verdict, path: Way) -> None:
        story, reference = path.story(), self._references[path.name]
        _note(verdict, lost=story.lost, twice=story.twice, illegal=story.illegal)
        if story.told != reference:
            _note(verdict, other=[f"{story.told} instead of {reference}"])

    def _struck(self, trial: Trial) -> int:
        return sum(fault in trial.faults for fault in self.lane.script.struck())

    def _wait_for_faults(self, trial: Trial) -> None:
        seconds = UPKEEP_SECONDS if trial.upkeep else LATE_SECONDS / len(trial.faults)
        try:
            self.lane.wait(lambda: self._struck(trial) == len(trial.faults), "a fault to strike", seconds)
        except Stalled:
            return


def _note(verdict: Verdict, **wrong: Sequence[str]) -> None:
    for kind, sentences in wrong.items():
        if sentences:
            verdict.wrong.setdefault(kind, []).extend(sentences)


class _Waiting:
    """Trials that wait, by their paths: a lane that has walked a path keeps to it to the end."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self._lock = threading.Lock()
        self._trials: dict[str, deque[Trial]] = {}
        self._walkers: dict[str, int] = {}
        for trial in trials:
            self._trials.setdefault(trial.path, deque()).append(trial)

    def next(self, path: str | None) -> Trial | None:
        """The next one after one of this path: of the same, or of that with most trials for each walker."""
        with self._lock:
            if path is not None and self._trials[path]:
                return self._trials[path].popleft()
            if path is not None:
                self._walkers[path] -= 1
            left = {name: len(trials) for name, trials in self._trials.items() if trials}
            if not left:
                return None
            name = max(left, key=lambda name: left[name] / (1 + self._walkers.get(name, 0)))
            self._walkers[name] = self._walkers.get(name, 0) + 1
            return self._trials[name].popleft()


def run(
    grounds: Sequence[Ground], trials: Sequence[Trial], lanes: int, tell: Callable[[Verdict], None]
) -> list[Verdict]:
    """Try all of these in so many lanes side by side."""
    waiting = _Waiting(trials)
    verdicts: list[Verdict] = []
    lock = threading.Lock()
    errors: list[BaseException] = []

    def work(number: int) -> None:
        ground = grounds[number // LANES_OF_A_GROUND]
        trial = waiting.next(None)
        try:
            while trial is not None and not errors:
                with ground.lane(number % LANES_OF_A_GROUND) as lane:
                    walker = Walker(lane)
                    trial = _work(walker, trial)
                    with lock:
                        ground.undeclared |= plan.undeclared(walker.calls)
        except BaseException as error:  # noqa: BLE001 -- told by the thread that waits
            errors.append(error)

    def _work(walker: Walker, trial: Trial | None) -> Trial | None:
        """Try one after the other; return the next one for another lane, if this one may be spoilt."""
        while trial is not None and not errors:
            verdict = walker.tried(trial)
            tries = 1
            while not verdict.struck and not verdict.wrong and tries < TRIES:
                verdict, tries = walker.tried(trial), tries + 1
            with lock:
                if verdict.wrong:
                    verdict.log = "\n".join(
                        f"--- {path.name}\n{path.read_text()[-1500:]}"
                        for path in sorted(walker.lane.home.glob("*.log"))
                    )
                verdicts.append(verdict)
                tell(verdict)
            trial = waiting.next(trial.path)
            if verdict.wrong:
                # What is wrong here may be so for those after it: they get another lane.
                return trial
        return None

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return verdicts
