"""OPS is killed between a send and its record: the event comes again, with the same id, from another."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa

from hms_act import accept
from hms_oms.jobs import commands
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.settings import Settings
from hms_ops.webhooks import outbox, signing, store
from tests.conftest import Programs, wait_until
from tests.webhooks.receiver import receiving


def test_a_kill_between_send_and_record_loses_nothing(
    programs: Programs, engine: sa.Engine, shop: Recipe, forward: Callable[[timedelta], None]
) -> None:
    """SIGKILL while the receiver has the event and has not answered: both requests are one event."""
    key = signing.make_key(Settings(home=programs.home))
    environment = {"HMS_EVENTS_NETWORKS": "127.0.0.0/8"}
    with receiving() as receiver:
        released = threading.Event()
        receiver.before_answer = lambda: bool(released.wait(60)) or None
        with engine.begin() as connection:
            added = store.add(
                connection,
                key,
                name="billing",
                url=receiver.url,
                events=["job.cancelled"],
                queue=None,
                job_type=None,
                set_by="ann",
            )
        with engine.begin() as connection:
            job = accept.start_job(connection, shop, {"number": 1}, requested_by="x").job.id
            commands.cancel(connection, [job], who="ann", reason=None)
        first = programs.start("first", "-m", "hms_floor", "ops", "run", **environment)
        wait_until(lambda: receiver.requests, "the first request", 60)
        first.kill()
        first.wait()
        released.set()
        forward(timedelta(seconds=61))
        programs.start("second", "-m", "hms_floor", "ops", "run", **environment)

        def states() -> list[str]:
            with engine.connect() as connection:
                number = store.number(connection, "billing")
                return [event.state for event in outbox.find(connection, number, states=[], limit=9)]

        wait_until(lambda: states() == ["delivered"], "the event to be delivered", 60)
        assert [got.id for got in receiver.requests] == [f"job-{job}-cancelled-1"] * 2
        assert all(got.is_signed_with(added.secret) for got in receiver.requests)
