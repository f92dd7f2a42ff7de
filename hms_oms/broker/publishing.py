"""Publish tickets as Celery messages: protocol 2, straight into the list of their queue.

Both ends of a chain publish through here: the dispatcher its first message, the workers each next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from celery import Celery
from celery.canvas import Signature

from hms_oms.jobs.tickets import Ticket
from hms_oms.recipes.recipes import Recipe

#: Priorities on Redis, where the lower number is served first: what has begun is finished first.
BEGUN = 0
FRESH = 9
PRIORITY_STEPS = [BEGUN, FRESH]


def chain(
    app: Celery, recipe: Recipe, job: int, attempt: int, from_step: int, part: int | None = None
) -> list[Signature]:
    """The remaining steps of a job as Celery signatures, in order, up to the first that is not begun at once.

    Options that a chain is given as a whole reach its first step only, so each step carries its own. A part
    has its one step.
    """
    signatures = []
    for position, named in enumerate(recipe.steps[from_step:], start=from_step):
        if named.by != "worker" or (position > from_step and (part is not None or not named.is_at_once)):
            break
        step = recipe.work(position, part)
        ticket = str(Ticket(job, attempt, named.name))
        signatures.append(
            Signature(
                step.run,
                args=(ticket,),
                app=app,
                immutable=True,
                options={
                    "task_id": ticket,
                    "queue": step.queue,
                    "priority": FRESH if position == 0 else BEGUN,
                    "time_limit": step.time_limit,
                },
            )
        )
    return signatures


def publish(
    app: Celery,
    producer: Any,
    task: str,
    ticket: str,
    *,
    queue: str,
    priority: int,
    time_limit: float | None = None,
    rest: Sequence[Signature] = (),
    root_id: str | None = None,
    parent_id: str | None = None,
) -> None:
    """Publish one step with the steps that come after it (`rest`, last one first, as Celery wants it).

    This is Celery's own message, built by its public protocol function; what is left out of its usual
    way is routing, declarations and signals, which a direct queue does not need.
    """
    message = app.amqp.as_task_v2(
        ticket,
        task,
        args=(ticket,),
        argsrepr=f"('{ticket}',)",
        kwargsrepr="{}",
        time_limit=time_limit,
        chain=list(rest) or None,
        root_id=root_id,
        parent_id=parent_id,
        ignore_result=True,
    )
    producer.publish(
        # Written here: kombu's own writer asks of each part whether it has another way to be written.
        orjson.dumps(message.body).decode(),
        content_type="application/json",
        content_encoding="utf-8",
        exchange="",
        routing_key=queue,
        priority=priority,
        delivery_mode=2,
        headers=message.headers,
        retry=False,
        **message.properties,
    )
