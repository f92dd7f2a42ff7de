"""Each host in turn is cut off, falls silent or loses packets, and the clocks of two are hours wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from hms_act import accept
from hms_oms.recipes import recipes
from hms_oms.recipes.recipes import Recipe
from tests.conftest import RECIPES, wait_until
from tests.drills.drill_hosts import NAMES, RECOVERY_SECONDS, Floor, floor
from tests.drills.network import CAN_LOSE, Host

#: How long a fault lasts, in seconds.
FAULT_SECONDS = 10.0
#: Between two requests, and of work in each step, in seconds.
BETWEEN_SECONDS = 0.15
STEP_SECONDS = 0.3
#: How wrong the clocks of hosts are.
SKEWED = {"control-b": "+3h", "worker-2": "-2h"}
#: What makes a clock wrong for one program.
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
#: What must be imported first by a program whose clock is wrong.
SLEEP = Path(__file__).parent / "skewed"

MANY_DONE = "select 1 from oms.jobs where status = 'done' offset 20"
OPEN = "select 1 from oms.jobs where status in ('waiting', 'queued', 'running') limit 1"
RUNNING = "select id as job, attempt, step from oms.jobs where status = 'running' and worker like :who"
BEGUN = "select 1 from oms.job_events where at > :since and fact = 'claimed' and step = 0 limit 1"
STANDSTILL = """
select extract(epoch from max(gap))
from (
    select at - lag(at, 1, :since) over (order by at) as gap
    from oms.job_events where at > :since and fact = 'claimed' and step = 0
) as pause
"""
WENT_ON = """
select extract(epoch from min(at) - :since)
from oms.job_events
where job_id = :job and at > :since and (step > :step or attempt > :attempt or status = 'done')
"""
Rows = Sequence[sa.Row[tuple[object, ...]]]


@dataclass
class Load:
    """Requests at a steady pace, and who was seen to lead meanwhile."""

    floor: Floor
    recipe: Recipe
    accepted: list[int] = field(default_factory=list)
    #: Everybody who was seen to hold a term of a daemon: never more than one.
    holders: dict[tuple[str, int], set[str]] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Load:
        self._threads = [threading.Thread(target=work) for work in (self._send, self._look)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    def _send(self) -> None:
        step = {"effect": True, "sleep": STEP_SECONDS}
        while not self._over.wait(BETWEEN_SECONDS):
            payload = {"number": len(self.accepted) + 1, "pick": step, "pack": step, "send": step}
            with self.floor.engine.begin() as connection:
                job = accept.start_job(connection, self.recipe, payload, requested_by="test").job
            self.accepted.append(job.id)

    def _look(self) -> None:
        while not self._over.wait(0.1):
            for daemon, term, holder in self.floor.ask("select duty, term, holder from oms.leaders"):
                self.holders.setdefault((str(daemon), int(str(term))), set()).add(str(holder))


def test_each_host_in_turn(tmp_path: Path) -> None:
    """One leader at any time, nothing lost, nothing doubled; p99 of the recoveries is under 15 s."""
    with floor(tmp_path, RECIPES) as this:
        start(this)
        waits: list[float] = []
        with Load(this, recipes.load_folder(RECIPES)["shop:order:v1"]) as load:
            wait_until(
                lambda: len(this.ask("select id from oms.jobs where status = 'done'")) > 20, "work", 60
            )
            if not CAN_LOSE:
                print("no host loses packets: nft is not installed (apt-get install nftables)")
            faults = (Host.cut, Host.silence, *([Host.lose] if CAN_LOSE else []))
            for name in NAMES:
                for fault in faults:
                    recoveries = strike(this, name, fault)
                    waits += recoveries
                    print(f"{name:>10} {fault.__name__:<8} {told(recoveries)}", flush=True)
        wait_until(lambda: not this.ask(OPEN), "all to be done", 180)
        not_done = this.ask("select status, count(*) from oms.jobs where status <> 'done' group by 1")
        twice = this.ask("select job, step from public.effects group by 1, 2 having count(*) <> 1")
        effects = this.ask("select 1 from public.effects")
    worst = sorted(waits)[int(len(waits) * 0.99)]
    print(f"{len(load.accepted)} jobs, {len(waits)} recoveries: {told(waits)}, p99 {worst:.1f} s")
    assert not not_done
    assert not twice
    assert len(effects) == 3 * len(load.accepted)
    assert {len(who) for who in load.holders.values()} == {1}
    assert len([term for daemon, term in load.holders if daemon == "act"]) > 2
    assert worst < RECOVERY_SECONDS


def start(this: Floor) -> None:
    """Control and workers on all their hosts, two of which have wrong clocks."""
    if not FAKETIME.exists():
        print("the clocks of all hosts are right: faketime is not installed (apt-get install faketime)")
    for name in NAMES[1:3]:
        this.control(name, **wrong_clock(this, name))
    for name in NAMES[3:]:
        this.worker(name, 8, **wrong_clock(this, name))
    wait_until(lambda: this.ask("select 1 from oms.workers offset 1"), "both workers", 60)
    wait_until(lambda: this.ask("select 1 from oms.leaders where duty = 'act'"), "somebody to lead", 60)


def wrong_clock(this: Floor, name: str) -> dict[str, str]:
    """What makes the clock of a host wrong, if it is one of those; its monotonic clock is right."""
    if name not in SKEWED or not FAKETIME.exists():
        return {}
    return {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME": SKEWED[name],
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": f"{SLEEP}:{this.programs.environment.get('PYTHONPATH', '')}",
    }


def strike(this: Floor, name: str, fault: Callable[[Host], None]) -> list[float]:
    """Have a host suffer, then mend it; after how many seconds each step went on that it was at work on.

    And how long no other job began; for the servers, how long after they were back.
    """
    since = this.ask("select clock_timestamp()")[0][0]
    running = this.ask(RUNNING, who=f"w@{name}/%")
    fault(this.hosts[name])
    time.sleep(FAULT_SECONDS)
    this.hosts[name].mend()
    mended = this.ask("select clock_timestamp()")[0][0]
    wait_until(lambda: this.ask(BEGUN, since=mended), f"jobs to begin after the fault of {name}", 60)
    wait_until(
        lambda: all(_went_on(this, row, since) for row in running), f"the steps of {name} to go on", 60
    )
    standstill = this.ask(STANDSTILL, since=mended if name == "servers" else since)
    return [_seconds(standstill), *(_seconds(_went_on(this, row, since)) for row in running)]


def _went_on(this: Floor, row: sa.Row[tuple[object, ...]], since: object) -> Rows:
    answer = this.ask(WENT_ON, **row._mapping, since=since)
    return answer if answer[0][0] is not None else []


def _seconds(rows: Rows) -> float:
    return float(str(rows[0][0] or 0.0))


def told(waits: Sequence[float]) -> str:
    """Recoveries in a few words."""
    return f"{len(waits)} recoveries, the longest {max(waits):.1f} s" if waits else "nothing had to recover"
