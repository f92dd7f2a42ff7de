"""Celery's view of a step: how its message is acknowledged, and how abnormal ends are handled."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from billiard.einfo import ExceptionInfo, ExceptionWithTraceback
from billiard.exceptions import Terminated, WorkerLostError
from celery import signals
from celery.app import trace
from celery.concurrency import prefork
from celery.concurrency.base import apply_target
from celery.exceptions import TaskRevokedError
from celery.worker import state
from celery.worker.request import Request

from hms_oms.broker import publishing
from hms_oms.jobs.tickets import Ticket
from workers.claiming import continuing
from workers.claiming.continuing import Following
from workers.claiming.ledger_session import give_back_slot
from workers.presence import presence

# Where Celery itself tells of messages that were received.
log = logging.getLogger("celery.worker.strategy")


def strategy(task: Any, app: Any, consumer: Any) -> Callable[..., None]:
    """How a worker takes the messages of a task: Celery's own way, without what ours never carry."""

    def take(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any) -> None:  # noqa: ARG001 -- Celery's
        request = StepRequest(
            message,
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
        consumer.on_task_request(request)

    return take


def run_step(name: str, ticket: str, *rest: Any) -> tuple[int, Any, Any, Following | None]:
    """Run a step under Celery's tracer, in a thread or in a child of the pool.

    Answers as the tracer does, and with the next step, if that was claimed with the completion of this one.
    """
    failed, shown, seconds = trace.fast_trace_task(name, ticket, *rest)
    return failed, shown, seconds, continuing.taken(ticket)


class StepRequest(Request):
    """A request for one step, followed by one for the next if that is claimed already.

    Its loss is reported to the ledger at once, by the parent.
    """

    def __init__(self, message: Any, *, consumer: Any, **options: Any) -> None:
        super().__init__(message, **options)
        self._consumer = consumer
        self._next: StepRequest | None = None

    def announce(self) -> None:
        """Tell the log, the signals and the listeners that the step was received."""
        about = {
            "id": self.id,
            "name": self.name,
            "args": self.argsrepr,
            "kwargs": self.kwargsrepr,
            "eta": self.eta,
        }
        log.info(trace.LOG_RECEIVED, about, extra={"data": about})
        signals.task_received.send(sender=self._consumer, request=self)
        self.send_event(
            "task-received",
            name=self.name,
            args=self.argsrepr,
            kwargs=self.kwargsrepr,
            root_id=self.root_id,
            parent_id=self.parent_id,
            retries=0,
            eta=None,
            expires=None,
        )

    def execute_using_pool(self, pool: Any, **_: Any) -> Any:
        """Have the pool run the step."""
        if self.revoked():
            raise TaskRevokedError(self.id)
        limit, soft_limit = self.time_limits
        return pool.apply_async(
            run_step,
            args=self._call(),
            accept_callback=self.on_accepted,
            timeout_callback=self.on_timeout,
            callback=self.on_success,
            error_callback=self.on_failure,
            soft_timeout=soft_limit or self.task.soft_time_limit,
            timeout=limit or self.task.time_limit,
            correlation_id=self.id,
        )

    def on_accepted(self, pid: int, time_accepted: float) -> None:
        """The step begins."""
        continuing.granted.discard(Ticket.parse(self.id))
        super().on_accepted(pid, time_accepted)

    def on_success(self, failed__retval__runtime: Any, **_: Any) -> None:
        """The step has ended: go on with the next one, if that is claimed already."""
        try:
            self._settle(failed__retval__runtime)
            ahead = self._next
            while ahead is not None:
                ahead = ahead._run_next()
        finally:
            give_back_slot()

    def on_failure(self, exc_info: Any, *args: Any, **options: Any) -> Any:
        """The pool says that the task ended badly; where its process died, the step is taken back."""
        error = exc_info.exception
        if isinstance(error, ExceptionWithTraceback):
            error = error.exc
        # Billiard may report the exit of the child as the SystemExit that it raised there.
        if isinstance(error, WorkerLostError | Terminated | SystemExit):
            presence.report_lost(Ticket.parse(self.id), "the worker's process died")
        return super().on_failure(exc_info, *args, **options)

    def on_timeout(self, soft: bool, timeout: float) -> Any:
        """The pool has ended a step that ran past its time limit."""
        if not soft:
            presence.report_overrun(Ticket.parse(self.id), timeout)
        return super().on_timeout(soft, timeout)

    def _settle(self, outcome: tuple[int, Any, Any, Following | None] | ExceptionInfo) -> None:
        """Have this step end; the request for the next one exists before: a heartbeat names one of them."""
        if isinstance(outcome, ExceptionInfo):
            # A step has asked for the end of the process in a thread.
            self.on_failure(outcome)
            return
        *traced, following = outcome
        if following is not None:
            self._next = self._follow(following)
            state.task_reserved(self._next)
            continuing.granted.add(following.claimed.ticket)
        super().on_success(tuple(traced))

    def _follow(self, following: Following) -> StepRequest:
        """The request for the step that is claimed, as if its message had just come."""
        ticket, step = str(following.claimed.ticket), following.step
        delivery = {"exchange": "", "routing_key": step.queue}
        return StepRequest(
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
                "lang": "py",
                "task": step.run,
                "id": ticket,
                "timelimit": [step.time_limit, None],
                "root_id": self.root_id,
                "parent_id": self.id,
                "argsrepr": f"('{ticket}',)",
                "kwargsrepr": "{}",
                "origin": self.request_dict.get("origin"),
                "ignore_result": True,
                "retries": 0,
                "eta": None,
                "expires": None,
                "group": None,
            },
            body=([ticket], {}, {"chain": list(following.chain), "granted": following.claimed}),
            decoded=True,
        )

    def _run_next(self) -> StepRequest | None:
        """Run the step in this thread, or as the next one of the pool's children; the step after it here."""
        pool = self._consumer.pool
        try:
            self.announce()
            if isinstance(pool, prefork.TaskPool):
                self._run_first(pool)
            else:
                apply_target(run_step, self._call(), callback=self._settle, accept_callback=self.on_accepted)
        except Exception:
            log.exception("%s was claimed and cannot be run here", self.id)
            state.task_ready(self)
            presence.give_back(Ticket.parse(self.id), "its worker could not go on with it")
        return self._next

    def _run_first(self, pool: Any) -> None:
        """Have the pool run this step before those that wait there: none of them is claimed."""
        result = self.execute_using_pool(pool)
        if result is None:
            state.task_ready(self)
            presence.give_back(Ticket.parse(self.id), "its worker takes no more steps")
            return
        waiting = getattr(pool._pool, "outbound_buffer", None)
        if waiting and waiting[-1] is result:
            waiting.rotate(1)

    def _call(self) -> tuple[Any, ...]:
        return (self.type, self.id, self.request_dict, self.body, self.content_type, self.content_encoding)
