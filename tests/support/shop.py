"""The steps of the test shop: what they do is written in the order itself.

Each run is noted at once in public.executions, apart from the ledger; what a step writes together with its
completion goes to public.effects.
"""

from __future__ import annotations

import ctypes
import os
import signal
import time
from datetime import timedelta
from typing import Any

import psycopg2
import structlog

from hms_oms.jobs.outcomes import Done, Reject, Retry
from hms_oms.runtime import settings
from workers.request import StepRequest
from workers.step import StepRun, step
from workers.task import StepTask

log = structlog.get_logger(__name__)

TABLES = """
create table public.executions (
    job bigint, step text, worker_pid int, parent_pid int, at timestamptz default clock_timestamp()
);
create table public.effects (job bigint, step text);
"""


@step("shop.pick")
def pick(run: StepRun) -> Any:
    """The first step."""
    return _work(run, "pick")


@step("shop.pack")
def pack(run: StepRun) -> Any:
    """The second step."""
    return _work(run, "pack")


@step("shop.box")
def box(run: StepRun) -> Any:
    """A part: what is to happen in it stands with its item."""
    assert run.part is not None
    wish = run.part.item if isinstance(run.part.item, dict) else {}
    return _work(run, "box", wish) | {"box": run.part.index}


@step("shop.weigh")
def weigh(run: StepRun) -> Any:
    """A branch, which has what the parts before it have returned."""
    assert run.part is not None
    return {"branch": run.part.item, "boxes": len(run.results["box"])}


@step("shop.order")
def order(run: StepRun) -> None:
    """Starts jobs; the first time it dies after that."""
    runs = _note(run, "order")
    for number in run.payload["orders"]:
        run.start_job("shop:order:v1", {"number": number})
    if runs == 1:
        os.kill(os.getpid(), signal.SIGKILL)


@step("shop.send")
def send(run: StepRun) -> Any:
    """The last step."""
    if "phone" in run.payload:
        run.text(run.payload["phone"], f"order {run.payload['number']} is on its way")
    return _work(run, "send")


def _work(run: StepRun, name: str, wish: Any = None) -> Any:
    if run.payload.get("quick"):
        return {}
    runs, began = _note(run, name), time.monotonic()
    wish = run.payload.get(name, {}) if wish is None else wish
    log.info("works", runs=runs)
    if wish.get("effect"):
        with run.connection.cursor() as cursor:
            cursor.execute("insert into public.effects values (%s, %s)", (run.job, name))
    if wish.get("die") and (runs == 1 or wish.get("always")):
        os.kill(os.getppid() if wish["die"] == "parent" else os.getpid(), signal.SIGKILL)
        signal.pause()
    if wish.get("exit"):
        os._exit(9)
    if "sleep" in wish:
        time.sleep(wish["sleep"])  # in one piece: nothing but the end of the process stops it
    while "spin" in wish and time.monotonic() < began + wish["spin"]:
        pass  # an exception that is raised in this thread is heeded at once
    while "nap" in wish and time.monotonic() < began + wish["nap"]:
        time.sleep(0.01)  # the same, without work
    while "pages" in wish and not run.cancelled:
        run.progress(0.4, f"page {wish['pages']}")
        run.log.info("reads on")
        time.sleep(0.02)
    if "hold_interpreter" in wish:
        ctypes.PyDLL(None).sleep(wish["hold_interpreter"])
    if "hold" in wish:
        _stand_in_line(wish["hold"])
    if runs <= wish.get("fail", 0):
        raise ValueError(f"order {run.payload['number']} does not fit")
    if runs <= wish.get("later", 0):
        raise Retry("not yet", after=timedelta(seconds=0.1))
    if "reject" in wish:
        raise Reject(wish["reject"])
    if "skip_to" in wish:
        return Done({"token": run.token}, outcome="short cut", skip_to=wish["skip_to"])
    return {"token": run.token, "before": sorted(run.results)}


def _note(run: StepRun, name: str) -> int:
    """Write down this execution and return how many there were of this step of this job."""
    connection = _own_connection()
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into public.executions (job, step, worker_pid, parent_pid) values (%s, %s, %s, %s)",
            (run.job, name, os.getpid(), os.getppid()),
        )
        cursor.execute("select count(*) from public.executions where job = %s and step = %s", (run.job, name))
        row = cursor.fetchone()
    connection.close()
    assert row is not None
    return int(row[0])


def _stand_in_line(lock: int) -> None:
    """Wait until the test lets go of an advisory lock."""
    connection = _own_connection()
    with connection, connection.cursor() as cursor:
        cursor.execute("select pg_advisory_xact_lock_shared(%s)", (lock,))
    connection.close()


def _own_connection() -> Any:
    return psycopg2.connect(settings.load().servers()[0])


def _die(*_: object, **__: object) -> None:
    # What has ended it is to be seen in its log.
    os.write(2, f"{os.environ['SHOP_DIES']}: killed by itself\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


if os.environ.get("SHOP_DIES") == "before the next publish":
    StepTask.apply_async = _die
if os.environ.get("SHOP_DIES") == "before the next step":
    StepRequest.follow = _die  # type: ignore[method-assign]
