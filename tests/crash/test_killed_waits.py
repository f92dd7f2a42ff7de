"""Whatever dies while jobs wait for events: each event is heeded once, and no job waits for good."""

from __future__ import annotations

import sqlalchemy as sa

from hms_act import accept
from hms_oms.jobs.live import waits
from tests.conftest import Programs, shop_recipes, wait_until
from tests.crash.test_crashes import executions, facts, status
from tests.oms.test_ledger import look

VISIT = shop_recipes()["shop:visit:v1"]


def test_events_survive_kills(programs: Programs, engine: sa.Engine) -> None:
    """Dispatcher and worker are killed while events come early, in time and twice: each counts once."""
    with engine.begin() as connection:
        jobs = [
            accept.start_job(connection, VISIT, {"number": number}, requested_by="test").job.id
            for number in range(16)
        ]
    for round_, half in enumerate((jobs[::2], jobs[1::2])):
        dispatcher = programs.dispatcher(f"act{round_}")
        worker = programs.worker(f"w{round_}", pool="threads", slots=4)
        wait_until(lambda: any(look(engine, job).event for job in jobs), "a job to wait", 40)
        for job in (*half, *half[:3]):
            with engine.begin() as connection:
                waits.signal(connection, job, "answered", {"round": round_}, who="ann")
        wait_until(lambda jobs=half: any(is_past(engine, job) for job in jobs), "an event to be heeded", 40)
        for process in (dispatcher, worker):
            process.kill()
            process.wait()
    programs.dispatcher("last")
    programs.worker("last", pool="threads", slots=4)
    wait_until(
        lambda: all(look(engine, job).step_name == "send" for job in jobs), "all to come to the end", 60
    )
    assert {status(engine, job) for job in jobs} == {"waiting"}
    assert {tuple(facts(engine, job).count(fact) for fact in ("awaiting", "signalled")) for job in jobs} == {
        (1, 1)
    }
    assert {look(engine, job).results["answer"]["round"] for job in jobs} == {0, 1}
    assert {job for job, step in executions(engine) if step == "pack"} == set(jobs)


def is_past(engine: sa.Engine, job: int) -> bool:
    """Whether the event of a job has been heeded."""
    return "answer" in look(engine, job).results
