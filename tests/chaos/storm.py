"""A storm: requests keep coming, processes keep dying; then calm, and what is open gets its time."""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from hms.testing import make_clock_movable
from hms_floor.cli.installation import preparing
from hms_oms.database import connections
from hms_oms.jobs import workers
from hms_oms.recipes import recipes
from hms_oms.runtime.settings import Settings
from hms_oms.schedules import store
from hms_ops.webhooks import signing
from hms_ops.webhooks import store as webhooks
from tests.chaos import calm, floor, history, plan
from tests.chaos.agents import Agent
from tests.chaos.arrivals import Arrivals
from tests.chaos.calm import ticks
from tests.chaos.executions import Record
from tests.chaos.faults import strike
from tests.chaos.faults.passing import Strike
from tests.chaos.floor import Floor
from tests.chaos.guarantees import Outside
from tests.chaos.history import Fault, History
from tests.chaos.outside import SCHEDULE, WAITING_TYPE, Asker, Caller, Onlooker, Outsider, Signaller, Starter
from tests.chaos.steps import EFFECTS
from tests.chaos.texts import Shown, Texts
from tests.webhooks.receiver import receiving

#: How many faults may be under way at once.
AT_ONCE = 4
#: This share of the requests comes in the calm after the storm, when every worker must be there again.
CALM_SHARE = 0.04
#: ... but no fewer than this.
CALM_JOBS = 80
#: The receiver of webhooks answers this share of them with an error.
BAD_ANSWERS = 0.02
#: Everybody must have come back this long after the storm, in seconds.
RETURN_SECONDS = 30.0


@dataclass
class Aftermath:
    """What a storm leaves: the history, and how those who work came out of it."""

    history: History
    seconds: float
    deaths: list[str]
    #: How many workers ended to be replaced, since they had been stopped for too long.
    replaced: int
    #: Workers that did not come back, or came back and did nothing.
    idle: list[str]
    orphans: int


@dataclass
class _Weather:
    """The faults to come, under way and over."""

    coming: list[plan.Planned]
    under_way: list[Strike] = field(default_factory=list)
    over: list[Fault] = field(default_factory=list)

    def blow(self, where: Floor, elapsed: float) -> None:
        """Begin what is due, and go on with what is under way."""
        while self.coming and self.coming[0].at <= elapsed and len(self.under_way) < AT_ONCE:
            self.under_way.append(strike(where, self.coming.pop(0)))
        for item in list(self.under_way):
            try:
                next(item)
            except StopIteration as done:
                self.under_way.remove(item)
                self.over.append(done.value)


def run(
    home: Path, jobs: int, faults: int, seed: int, kinds: Collection[str] = tuple(plan.SHARES)
) -> Aftermath:
    """Have a storm of faults of these kinds in an empty folder, and tell what it left."""
    began = time.monotonic()
    known = recipes.load_folder(floor.RECIPES)
    with floor.standing(home) as ground, ExitStack() as people, receiving() as receiver:
        engine = connections.engine(ground.database_url)
        people.callback(engine.dispose)
        secret = _prepare(ground, known, engine, receiver.url)
        dice = random.Random(f"receiver {seed}")
        receiver.before_answer = lambda: receiver.answers.append(500 if dice.random() < BAD_ANSWERS else 204)
        ground.staff()
        _wait_for_workers(ground, engine)

        lasting = plan.seconds(jobs, faults)
        without = {*plan.SHARES} - {*kinds} | (set() if ground.disk else {"diskFull"})
        weather = _Weather(plan.faults(faults, lasting, seed, without))
        kept_back = min(jobs // 2, max(round(jobs * CALM_SHARE), CALM_JOBS))
        clock = _Clock(lasting, faults, jobs, kept_back)
        arrivals = Arrivals(ground.database_url, known, seed, clock.due)
        agents = [Agent(f"agent-{number}", ground.database_url, Record(ground.record)) for number in range(2)]
        url, signaller = ground.database_url, Signaller(ground.database_url)
        starters = [
            Starter(f"starter-{number}", url, known["chaos:once:v1"], lambda: not clock.calm)
            for number in range(2)
        ]
        onlooker = Onlooker(url)
        staying: list[Arrivals | Agent | Outsider] = [arrivals, *agents, signaller, *starters, onlooker]
        caller = Caller(url, lambda: not clock.calm)
        staying += [Asker(url, lambda: not clock.calm), caller]
        for person in staying:
            person.start()
            people.callback(person.leave)

        for _ in ticks(ground):
            weather.blow(ground, clock.elapsed)
            clock.struck = faults - len(weather.coming)
            _tell(clock, len(arrivals.accepted), clock.struck)
            if clock.elapsed >= lasting and not weather.coming and not weather.under_way:
                break
        idle = _wait_for_workers(ground, engine)
        calm_at = time.time()
        clock.calm = True
        with engine.begin() as connection:
            store.pause(connection, SCHEDULE, who="storm", reason=None)
        print("calm", file=sys.stderr)
        calm.drain(ground, engine, arrivals, jobs)
        calm.deliver(ground, engine)
        orphans = len(ground.orphans())
        for person in staying:
            person.leave()
        ground.dismiss()
        with engine.connect() as connection:
            past = history.read(
                connection,
                ground.record,
                accepted=arrivals.accepted,
                faults=[*weather.over, *(_replaced(at, pid) for at, pid in ground.replaced)],
                sighted=ground.sighted,
                expected={job_type: frozenset(steps) for job_type, (_, steps) in plan.TYPES.items()},
                effective={"chaos:effect:v1": frozenset({"book", "tell"})},
                outside=Outside(
                    signalled=frozenset(signaller.signalled),
                    started=[job for starter in starters for job in starter.started],
                    exceeded=onlooker.exceeded,
                    posted=[(got.id, got.body) for got in receiver.requests],
                    forged=sum(not got.is_signed_with(secret) for got in receiver.requests),
                ),
                texts=Texts(
                    pages=caller.pages,
                    sending=plan.texts(jobs, seed),
                    shown=[
                        Shown(text.to, text.body, text.at.timestamp()) for text in ground.provider.handsets()
                    ],
                ),
            )
        worked = {execution.parent for execution in past.executions if execution.begin >= calm_at}
        idle += [
            f"{role} did nothing after the storm"
            for role in floor.WORKERS
            if ground.programs[role].process.pid not in worked
        ]
        return Aftermath(
            past, time.monotonic() - began, ground.deaths, len(ground.replaced), sorted(set(idle)), orphans
        )


class _Clock:
    """The time of the storm, and how many requests are due by it."""

    def __init__(self, lasting: float, faults: int, jobs: int, kept_back: int) -> None:
        self.struck = 0
        self.calm = False
        self.told = 0.0
        self._began = time.monotonic()
        self._lasting = lasting
        self._faults = faults
        self._jobs = jobs
        self._kept_back = kept_back

    @property
    def elapsed(self) -> float:
        """Seconds since the storm began."""
        return time.monotonic() - self._began

    def due(self) -> int:
        """How many requests should have come by now: they go on while there are faults to come."""
        if self.calm:
            return self._jobs
        surges = math.floor(self.elapsed / plan.SURGE_SECONDS) + 1
        by_time = surges * plan.SURGE_SECONDS / self._lasting
        by_faults = (self.struck + 1) / max(self._faults, 1)
        return int(min(1.0, by_time, by_faults) * (self._jobs - self._kept_back))


def _prepare(ground: Floor, known: recipes.Recipes, engine: sa.Engine, receiver: str) -> str:
    """Make the tables, the recipes with their schedule, and a webhook, whose secret is returned."""
    preparing.prepare(ground.database_url, known.values())
    key = signing.make_key(Settings(home=ground.home))
    with engine.begin() as connection:
        connection.exec_driver_sql(EFFECTS)
        connection.exec_driver_sql(history.TRUE_TIME)
        make_clock_movable(connection)
        added = webhooks.add(
            connection,
            key,
            name="storm",
            url=receiver,
            events=["job.done", "job.failed"],
            queue=None,
            job_type=WAITING_TYPE,
            set_by="storm",
        )
    return added.secret


def _wait_for_workers(ground: Floor, engine: sa.Engine) -> list[str]:
    """Wait until the ledger sees every worker; name those that do not come."""
    deadline = time.monotonic() + RETURN_SECONDS
    for _ in ticks(ground):
        with engine.connect() as connection:
            live = {worker.id for worker in workers.live(connection)}
        missing = [
            role
            for role in floor.WORKERS
            if not any(worker.startswith(ground.programs[role].name) for worker in live)
        ]
        if not missing or time.monotonic() > deadline:
            return [f"{role} did not come back" for role in missing]
    raise AssertionError


def _replaced(at: float, pid: int) -> history.Fault:
    """The end of a worker that was not heard for too long, as a fault: its steps are lost with it."""
    return history.Fault("workerReplaced", at, at, pid, ())


def _tell(clock: _Clock, accepted: int, struck: int) -> None:
    if clock.elapsed - clock.told >= 10:
        clock.told = clock.elapsed
        print(f"{clock.elapsed:5.0f} s: {accepted} jobs accepted, {struck} faults", file=sys.stderr)
