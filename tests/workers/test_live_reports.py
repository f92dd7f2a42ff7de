"""Steps that tell how far they are, ask whether to go on, and are ended when they are silent."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands
from hms_oms.jobs.live.running import StepProgress
from hms_oms.jobs.records import Claimed
from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime import logs
from tests.conftest import Programs, shop_recipes, wait_until
from tests.oms.test_advance import begun
from tests.oms.test_ledger import look
from tests.workers.test_running import ended
from workers import limits
from workers.limits import HeartbeatTimeout, limited
from workers.step import StepRun
from workers.telemetry.live_reports import LiveReports

WHO = {"who": "boss", "reason": None}
WATCHED = shop_recipes()["shop:watched:v1"]
TICKET = Ticket(7, 1, "pick")
CLAIMED = Claimed(7, 1, 0, ("pick",), "shop:watched:v1", 1, 0, {}, {}, datetime(2026, 11, 2, tzinfo=UTC))


def test_a_step_tells_and_asks_while_it_runs(programs: Programs, engine: sa.Engine) -> None:
    """Its progress is seen, it learns of a cancellation and returns; one that is silent fails as that."""
    with engine.begin() as connection:
        telling, silent = (
            accept.start_job(connection, WATCHED, {"number": 1, "pick": wish}, requested_by="test").job.id
            for wish in ({"pages": 12}, {"nap": 60})
        )
    programs.dispatcher()
    programs.worker()
    last = wait_until(lambda: look(engine, telling).progress, "progress")
    assert (last.share, last.note) == (0.4, "page 12")
    with engine.begin() as connection:
        commands.cancel(connection, [telling], **WHO)
    assert ended(engine, telling).status == "done"
    failed = ended(engine, silent)
    assert failed.error is not None
    assert failed.error["type"] == "HeartbeatTimeout"
    assert failed.error["message"] == "the step said nothing for 1 s"
    lines = [line for line in programs.said("w").splitlines() if "reads on" in line]
    assert f'"job": "job-{telling}"' in lines[0]
    assert '"step": "pick"' in lines[0]


def test_progress_is_written_once_a_second(
    engine: sa.Engine, database: str, raw: RawConnection, shop: Recipe
) -> None:
    """However often it is told, and what was told last is written all the same."""
    job = begun(engine, raw, shop)
    live = LiveReports(database, "test progress")
    for number in range(1, 1001):
        live.progress(Ticket(job, 1, "pick"), StepProgress(number / 1000))

    def is_whole() -> bool:
        last = look(engine, job).progress
        return last is not None and last.share == 1.0

    wait_until(is_whole, "the last share")
    assert live._line.connection().statements <= 2


def test_a_step_may_ask_in_a_loop() -> None:
    """The ledger is asked once a second at most."""

    class Ledger:
        asked = 0

        def is_to_end(self, _: Ticket) -> bool:
            self.asked += 1
            return self.asked > 1

        def progress(self, _: Ticket, __: StepProgress) -> None:
            raise AssertionError

    ledger = Ledger()
    run = StepRun(CLAIMED, pytest.fail, live=ledger)
    assert not any(run.cancelled for _ in range(1000))
    assert ledger.asked == 1
    run._known_until = 0.0
    assert all(run.cancelled for _ in range(1000))
    assert ledger.asked == 2


def test_a_heartbeat_puts_silence_off() -> None:
    """Each one by the whole time of the recipe; progress is a heartbeat, too."""
    run = StepRun(CLAIMED, pytest.fail)
    with limited(TICKET, 1000, heartbeat=10):
        began = time.monotonic()
        for tell in (run.heartbeat, lambda: run.progress(0.5)):
            limits._runs[TICKET].silent_at = began
            tell()
            assert limits.enforce(began + 9) == []
            assert limits._runs[TICKET].raised_at is None
    with pytest.raises(HeartbeatTimeout), limited(TICKET, 1000, heartbeat=10):  # noqa: PT012
        limits.enforce(time.monotonic() + 10.1)
        while True:
            pass


def test_a_silent_step_that_heeds_nothing_ends_its_process() -> None:
    """In a child of a pool of processes: its parent sees that, and has the step taken back."""
    code = (
        "import time; from workers import limits; from workers.presence import silence\n"
        "from hms_oms.jobs.tickets import Ticket\n"
        "limits.HEED_SECONDS = 0.0; silence.LOOK_SECONDS = 0.05\n"
        "with limits.limited(Ticket(1, 1, 'pick'), 60, 0.01): silence.watch(); time.sleep(30)"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert answer.returncode == 1
    assert "job-1.1.pick does not heed its end" in answer.stderr


def test_each_line_of_a_step_names_it(caplog: pytest.LogCaptureFixture) -> None:
    """Also if it is written in a thread that the step has started."""
    run = StepRun(CLAIMED, pytest.fail)
    with caplog.at_level(logging.INFO, "hms.step"):
        run.log.info("scored %d", 7)
    line = logs.formatter("worker", text=True).format(caplog.records[0])
    assert line.endswith("worker INFO scored 7 job=job-7 step=pick attempt=1")
