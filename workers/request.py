"""Celery's view of a step: how its message is acknowledged, and how abnormal ends are handled."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import orjson
from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from billiard.exceptions import Terminated, WorkerLostError
from celery import signals
from celery.app import trace
from celery.concurrency.base import apply_target
from celery.exceptions import TaskRevokedError
from celery.worker import state
from celery.worker.request import Request

from hms_oms.broker import envelope, publishing
from hms_oms.jobs.records import Claimed
from hms_oms.jobs.tickets import Ticket
from workers.claiming import continuing
from workers.claiming.continuing import Following, Reported
from workers.claiming.ledger_session import LedgerSession
from workers.engine import chunks, engine
from workers.engine.chunks import Chunk
from workers.presence import presence
from workers.task import DEFAULT_LIMIT, failure

# Where Celery itself tells of messages that were received.
log = logging.getLogger("celery.worker.strategy")


def strategy(task: Any, app: Any, consumer: Any) -> Callable[..., None]:
    """How a worker takes the messages of a task: Celery's own way, without what ours never carry."""

    def take(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> None:  # noqa: ARG001 -- Celery's
        request = StepRequest(
            message,
            # Its shape was checked as it came from Redis. Decoded it need not be read again by the tracer.
            body=orjson.loads(message.body),
            decoded=True,
            on_ack=ack,
            on_reject=reject,
            app=app,
            hostname=consumer.hostname,
            eventer=consumer.event_dispatcher,
            task=task,
            connection_errors=consumer.connection_errors,
            consumer=consumer,
        )
        request.announce()
        bucket = None if consumer.disable_rate_limits else consumer.task_buckets[task.name]
        if bucket:
            consumer._limit_task(request, bucket, 1)
            return
        state.task_reserved(request)
        for callback in callbacks or ():
            callback(request)
        if engine.current is not None:
            engine.current.take(request)
        else:
            consumer.on_task_request(request)

    return take


def run_step(name: str, ticket: str, *rest: Any) -> tuple[int, Any, Any, Following | Reported | None]:
    """Run a step under Celery's tracer, in a thread or in a child of the pool.

    Answers as the tracer does, and with what comes next: a report, or the next step, claimed already.
    """
    failed, shown, seconds = trace.fast_trace_task(name, ticket, *rest)
    return failed, shown, seconds, continuing.taken(ticket)


class StepRequest(Request):
    """A request for one step; its loss is reported to the ledger at once, by the parent."""

    #: Since when it waits for a slot, by the monotonic clock.
    ready_at = 0.0
    #: Since when it is claimed, by the same clock: when its claim was sent.
    granted_at = math.inf

    def __init__(self, message: Any, *, consumer: Any, **options: Any) -> None:
        super().__init__(message, **options)
        self._consumer = consumer

    @cached_property
    def ticket(self) -> Ticket:
        """The ticket that its message carried."""
        return Ticket.parse(self.id)

    @property
    def limit(self) -> float:
        """The time limit of the step, in seconds."""
        return self.time_limits[0] or DEFAULT_LIMIT

    @property
    def soft_limit(self) -> float | None:
        """When the step is warned of its end, in seconds; None: not at all."""
        limit: float | None = self.time_limits[1] or self.task.soft_time_limit
        return limit

    @property
    def granted(self) -> Claimed:
        """The claim, once there is one."""
        claimed: Claimed = self.request_dict["granted"]
        return claimed

    def grant(self, claimed: Claimed, sent_at: float) -> None:
        """Give the step its claim: its message has done its work."""
        self.request_dict["granted"] = claimed
        self.granted_at = sent_at
        continuing.granted.add(claimed.ticket)
        self.acknowledge()

    def announce(self) -> None:
        """Tell the log, the signals and the listeners that the step was received."""
        about = {"name": self.name, "args": self.argsrepr, "kwargs": self.kwargsrepr, "eta": self.eta}
        if log.isEnabledFor(logging.INFO):
            named = {"id": self.id, **about}
            log.info(trace.LOG_RECEIVED, named, extra={"data": named})
        signals.task_received.send(sender=self._consumer, request=self)
        self.send_event(
            "task-received",
            **about,
            root_id=self.root_id,
            parent_id=self.parent_id,
            retries=0,
            expires=None,
        )

    def execute_using_pool(self, pool: Any, **_: Any) -> Any:
        """Have the pool run the step, once it is claimed."""
        if engine.current is not None and "granted" not in self.request_dict:
            # Its turn has come by the rate limit of its task.
            engine.current.take(self)
            return None
        if self.revoked():
            raise TaskRevokedError(self.id)
        return pool.apply_async(
            run_step,
            args=self._call(),
            accept_callback=self.on_accepted,
            timeout_callback=self.on_timeout,
            callback=self.on_success,
            error_callback=self.on_failure,
            soft_timeout=self.soft_limit,
            timeout=self.limit,
            correlation_id=self.id,
        )

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """The step begins."""
        continuing.granted.discard(self.ticket)
        super().on_accepted(pid, time_accepted)

    def on_success(self, failed__retval__runtime: Any, **_: Any) -> None:
        """The step has ended: report it, or go on with the next one if that is claimed already."""
        if isinstance(failed__retval__runtime, ExceptionInfo):
            # A step has asked for the end of the process in a thread.
            self.on_failure(failed__retval__runtime)
            return
        *traced, left = failed__retval__runtime
        here, outcome = engine.current, (traced[0], traced[1], traced[2])
        if here is None:
            self.succeeded(outcome)
        elif isinstance(left, Reported):
            here.report(self, left, outcome)
        elif isinstance(left, Following):
            following = self.follow(left)
            self.succeeded(outcome)
            following.announce()
            here.go_on(self, following, outcome[2])
        else:
            try:
                self.succeeded(outcome)
            finally:
                here.free(self, outcome[2])

    def succeeded(self, traced: tuple[int, Any, float]) -> None:
        """Tell that the step was recorded as done."""
        failed, shown, seconds = traced
        if failed:
            super().on_success(traced)
            return
        # Celery would also remember its id, to spot messages that come twice; the ledger does that.
        state.task_ready(self)
        self.send_event("task-succeeded", result=shown, runtime=seconds)

    def ignore(self) -> None:
        """Be done with a message that the ledger does not want run, or not by us any more."""
        self.acknowledge()
        state.task_ready(self)

    def refused(self, error: Exception, session: LedgerSession) -> None:
        """Report that the ledger cannot keep what the step has returned."""
        recipe = session.recipe(self.granted.recipe_id)
        try:
            raise failure(session, self.granted, recipe, error)
        except Exception:  # noqa: BLE001 -- for Celery, with its place
            super().on_failure(ExceptionInfo(), return_ok=True)

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> Any:
        """The pool says that the task ended badly; where its process died, the step is taken back."""
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        # Billiard may report the exit of the child as the SystemExit that it raised there.
        if isinstance(error, WorkerLostError | Terminated | SystemExit):
            presence.report_lost(self.ticket, "the worker's process died")
        try:
            return super().on_failure(exc_info, *args, **options)
        finally:
            self._free()

    def on_timeout(self, soft: bool, timeout: float) -> Any:
        """The pool has ended a step that ran past its time limit."""
        if not soft:
            presence.report_overrun(self.ticket, timeout)
            self._free()
        return super().on_timeout(soft, timeout)

    def follow(self, following: Following) -> StepRequest:
        """The request for the step that is claimed, as if its message had just come.

        It exists before this one ends: a heartbeat names one of them.
        """
        ticket, step = str(following.claimed.ticket), following.step
        delivery = {"exchange": "", "routing_key": step.queue}
        request = StepRequest(
            SimpleNamespace(
                delivery_info=delivery, properties={"correlation_id": ticket, "priority": publishing.BEGUN}
            ),
            consumer=self._consumer,
            app=self.app,
            hostname=self.hostname,
            eventer=self._consumer.event_dispatcher,
            task=self.app.tasks[step.run],
            connection_errors=self.connection_errors,
            headers={
                **envelope.of_step(
                    ticket,
                    task=step.run,
                    limits=[step.time_limit, None],
                    root=self.root_id,
                    parent=self.id,
                    origin=self.request_dict.get("origin"),
                ),
                "granted": following.claimed,
            },
            body=([ticket], {}, {"chain": list(following.chain)}),
            decoded=True,
        )
        request.granted_at = following.sent_at
        state.task_reserved(request)
        continuing.granted.add(following.claimed.ticket)
        return request

    def run_here(self) -> None:
        """Run the step in this thread."""
        try:
            apply_target(run_step, self._call(), callback=self.on_success, accept_callback=self.on_accepted)
        except Exception:
            log.exception("%s was claimed and cannot be run here", self.id)
            self.give_back("its worker could not run it")

    def send_to(self, pool: Any, chunk: Chunk, steps: Sequence[StepRequest]) -> bool:
        """Have a child of the pool run a chunk of steps, of which this is the first; whether one is to."""
        sent = pool.apply_async(
            chunks.run_each,
            args=(chunk.place, chunk.until, [step._call() for step in steps], run_step),
            accept_callback=chunk.accepted,
            timeout_callback=chunk.timed_out,
            callback=chunk.succeeded,
            error_callback=chunk.failed,
            soft_timeout=self.soft_limit,
            timeout=self.limit,
            correlation_id=self.id,
        )
        return sent is not None

    def give_back(self, why: str) -> None:
        """Have the step, which has not begun, taken back."""
        self.acknowledge()
        state.task_ready(self)
        presence.give_back(self.ticket, why)
        self._free()

    def _free(self) -> None:
        if engine.current is not None:
            engine.current.free(self)

    def _call(self) -> tuple[Any, ...]:
        return (self.type, self.id, self.request_dict, self.body, self.content_type, self.content_encoding)
