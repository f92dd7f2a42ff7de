"""`hms ops run`: one process that hears the workers, watches, and hands over texts.

It stands by for two duties, each with a connection and a lock of its own: the watch ("ops") in the main
thread, the delivery of texts ("pager") in a second one. Of any number of processes one leads each.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from hms_oms import database, duty, outbox
from hms_oms.duty import Stop
from hms_oms.settings import Settings
from hms_ops import pulse, senders
from hms_ops.delivery import Delivery
from hms_ops.measure import Measure
from hms_ops.receiver import Receiver
from hms_ops.watch import Watch


def run(settings: Settings) -> None:
    """Watch and deliver until SIGTERM. Raises what ended one of the duties, after ending the other.

    Raises ConfigError where there are no servers to talk to, or the sender lacks a setting.
    """
    database_url, broker_url = settings.servers()
    sender = senders.make(settings)
    engine = database.engine(database_url)
    receiver = Receiver(broker_url)

    def beat(detail: Mapping[str, Any]) -> None:
        with engine.begin() as connection:
            pulse.beat(connection, "pager", detail)

    def watch() -> Watch:
        return Watch(
            engine,
            Measure(engine, receiver),
            sender_is_local=sender.local,
            samples_days=settings.samples_days,
        )

    with duty.stop_on_signals() as stop:
        pager = _Beside(
            stop,
            lambda: duty.serve(
                "pager",
                database_url,
                [outbox.CHANNEL],
                lambda connection: Delivery(connection, sender, beat),
                stop,
            ),
        )
        receiver.start()
        pager.start()
        try:
            duty.serve("ops", database_url, [], lambda _: watch(), stop)
        finally:
            stop.ask()
            pager.join()
            receiver.stop()
    if pager.error is not None:
        raise pager.error


class _Beside(threading.Thread):
    """A duty in a thread of its own: when it ends, so does the process."""

    def __init__(self, stop: Stop, work: Callable[[], None]) -> None:
        super().__init__(name="pager")
        self._stop_all = stop
        self._work = work
        self.error: BaseException | None = None

    def run(self) -> None:
        """Work until asked to stop; what goes wrong is kept for the main thread."""
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 whatever it was, the process must not go on without it
            self.error = error
        finally:
            self._stop_all.ask()
