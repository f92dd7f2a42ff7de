"""Threads of the storm that act from outside: they signal, start jobs, ask for runs, page, look on."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import sqlalchemy as sa

from hms_act import accept
from hms_oms.database import connections
from hms_oms.jobs.live import waits
from hms_oms.jobs.queries.uniqueness import unique
from hms_oms.messages import outbox
from hms_oms.recipes.recipes import Recipe
from hms_oms.schedules import runs, store

#: Jobs under so many keys are started again and again.
KEYS = 5
#: A page is put this often, in seconds.
PAGE_EVERY_SECONDS = 0.2
WAITING_TYPE, SCHEDULE = "chaos:wait:v1", "chaos-tick"


class Outsider(threading.Thread):
    """Acts every now and then; while the database is away it tries again."""

    def __init__(self, name: str, database_url: str, pause: float) -> None:
        super().__init__(name=name, daemon=True)
        self._engine = connections.engine(database_url)
        self._pause = pause
        self._over = threading.Event()

    def run(self) -> None:
        """Go on until told to leave."""
        while not self._over.wait(self._pause):
            try:
                self.act()
            except sa.exc.DBAPIError:
                continue

    def leave(self) -> None:
        """Act no more."""
        self._over.set()
        self.join()

    def act(self) -> None:
        """Do what is to be done now."""
        raise NotImplementedError


class Signaller(Outsider):
    """Signals to each job that waits the event with its number: some early, some twice."""

    def __init__(self, database_url: str) -> None:
        super().__init__("signaller", database_url, 0.05)
        self.signalled: set[int] = set()

    def act(self) -> None:
        """Signal to those that wait, and to every third one before it does."""
        with self._engine.begin() as connection:
            rows = connection.execute(_OPEN_WAITS, {"type": WAITING_TYPE}).all()
            due = [job for job, event in rows if job not in self.signalled and (event or job % 3 == 0)]
            for job in due:
                for _ in range(1 + (job % 4 == 0)):
                    waits.signal(connection, job, "answered", {"signal": job}, who="storm")
        self.signalled.update(due)


class Starter(Outsider):
    """Starts a job under a key that may be taken; `going` says whether to go on."""

    def __init__(self, name: str, database_url: str, recipe: Recipe, going: Callable[[], bool]) -> None:
        super().__init__(name, database_url, 0.1)
        self.started: list[int] = []
        self._recipe = recipe
        self._going = going
        self._number = 0

    def act(self) -> None:
        """Ask for the next key."""
        if not self._going():
            return
        self._number += 1
        with self._engine.begin() as connection:
            started = accept.start_job(
                connection,
                self._recipe,
                {"number": self._number},
                requested_by=self.name,
                key=f"key {self._number % KEYS}",
                unique=unique(None, "open"),
            )
        if started.created:
            self.started.append(started.job.id)


class Asker(Outsider):
    """Asks for a run of the schedule, besides those that are due; `going` says whether to go on."""

    def __init__(self, database_url: str, going: Callable[[], bool]) -> None:
        super().__init__("asker", database_url, 2.0)
        self._going = going

    def act(self) -> None:
        """Ask once."""
        if self._going():
            with self._engine.begin() as connection:
                runs.request(connection, store.get(connection, SCHEDULE), "storm")


class Caller(Outsider):
    """Puts one page after the other into the outbox, each to a phone of its own; `going` says until when."""

    def __init__(self, database_url: str, going: Callable[[], bool]) -> None:
        super().__init__("caller", database_url, PAGE_EVERY_SECONDS)
        #: The pages whose commit is certain: phone, body and time.
        self.pages: dict[str, tuple[str, float]] = {}
        self._going = going

    def act(self) -> None:
        """Put the next one, or the same again where it is not known whether it was put."""
        if not self._going():
            return
        number = len(self.pages) + 1
        phone, body = f"+1303{number:07}", f"Queue plain: page {number} of the storm. #S{number}"
        with self._engine.begin() as connection:
            outbox.put_page(
                connection,
                token=f"storm:{number}",
                incident=None,
                kind="page",
                reference=f"S{number}",
                recipient=phone,
                body=body,
            )
        self.pages[phone] = body, time.time()


class Onlooker(Outsider):
    """Looks at the ledger for keys with more jobs than they may have."""

    def __init__(self, database_url: str) -> None:
        super().__init__("onlooker", database_url, 0.1)
        self.looks = 0
        self.exceeded: list[str] = []

    def act(self) -> None:
        """Look once."""
        with self._engine.connect() as connection:
            self.exceeded += [
                f"{key}: {number} jobs at once" for key, number in connection.execute(_EXCEEDED)
            ]
        self.looks += 1


_OPEN_WAITS = sa.text(
    "select id, event from oms.jobs where type = :type and finished_at is null order by id limit 500"
)
_EXCEEDED = sa.text(
    "select limit_key, count(*) from oms.jobs where status in ('queued', 'running') and limit_key is not null"
    " group by limit_key having count(*) > min(limit_at_once)"
    " union all select unique_key, count(*) from oms.jobs"
    " where finished_at is null and unique_key is not null"
    " group by unique_key having count(*) > 1"
)
