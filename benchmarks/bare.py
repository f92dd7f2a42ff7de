"""Bare Celery, the other side of the comparison: stock settings but for the addresses and the events.

With a results URL it is the durable Celery that people reach for: the PostgreSQL result backend.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from celery import Celery, chain

#: The environment variables from which a worker learns where its servers are.
BROKER_VARIABLE = "BENCH_BROKER_URL"
RESULTS_VARIABLE = "BENCH_RESULTS_URL"

#: The task of each step, and the list in Redis that Celery keeps its messages in.
TASK = "bare.noop"
QUEUE = "celery"


def noop(job: int) -> None:
    """Do nothing."""


def make_app(broker_url: str, results_url: str | None) -> Celery:
    """The application of both sides: results are ignored where there is nowhere to store them."""
    made = Celery("bare", broker=broker_url, backend=results_url, set_as_current=False)
    made.conf.worker_send_task_events = True
    made.conf.task_ignore_result = results_url is None
    made.task(name=TASK, shared=False)(noop)
    return made


def environment(broker_url: str, results_url: str | None) -> dict[str, str]:
    """The addresses as the environment of a worker or a publisher holds them."""
    return {BROKER_VARIABLE: broker_url, **({RESULTS_VARIABLE: results_url} if results_url else {})}


def publish(made: Celery, jobs: int) -> float:
    """Publish chains of three no-op steps one after the other; return how many seconds the loop took."""
    step: Any = made.tasks[TASK]
    made.connection_for_write().default_channel.client.ping()
    started = time.perf_counter()
    for job in range(jobs):
        chain(step.si(job), step.si(job), step.si(job)).apply_async()
    return time.perf_counter() - started


def __getattr__(name: str) -> Any:
    # Celery looks for `app`; only a worker has the addresses in its environment.
    if name in ("app", "celery"):
        globals()["app"] = made = make_app(os.environ[BROKER_VARIABLE], os.environ.get(RESULTS_VARIABLE))
        return made
    raise AttributeError(name)


if __name__ == "__main__":
    print(publish(__getattr__("app"), int(sys.argv[1])))
