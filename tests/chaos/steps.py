"""The steps of the storm: each is on record before it does anything, and does what its request says."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from celery import current_app

from hms_oms.jobs.outcomes import Done, Sleep
from tests.chaos.executions import DONE, FAILED, FOLDER, Record
from workers.step import StepRun, step

EFFECTS = "create table public.effects (job bigint, step text, run text)"

_record = Record(Path(os.environ.get(FOLDER, ".")))


@step("chaos.work")
def work(run: StepRun) -> Done:
    """Leave an effect, send a text, work for a while, fail, skip: as the request has it for this step."""
    claimed = run._claimed
    name = claimed.steps[claimed.step]
    this = _record.begin(claimed.job, name, claimed.attempt, current_app.parent_pid)
    try:
        done = _work(run, name, run.payload.get("work", {}).get(name, {}), this)
    except Exception:
        _record.end(this, FAILED)
        raise
    _record.end(this, DONE)
    return done


def _work(run: StepRun, name: str, wish: dict[str, Any], this: str) -> Done:
    if wish.get("effect"):
        with run.connection.cursor() as cursor:
            cursor.execute("insert into public.effects values (%s, %s, %s)", (run.job, name, this))
    if "text" in wish:
        run.text(**wish["text"])
    for job_type in wish.get("start", ()):
        run.start_job(job_type, {"number": run.payload["number"]})
    time.sleep(wish.get("seconds", 0.0))  # the work
    if run._claimed.failures < wish.get("fail", 0):
        raise ValueError(f"request {run.payload['number']} stumbles")
    if "sleep" in wish:
        return Sleep(timedelta(seconds=wish["sleep"]), {"run": this})
    return Done({"run": this}, skip_to=wish.get("skip_to"))
