"""State that all routes share: the ledger, the recipes, the authenticator and the waiting clients."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError
from starlette.concurrency import run_in_threadpool

from hms_floor.api.accept import Starts
from hms_floor.api.access.authenticator import Authenticator
from hms_floor.api.access.guard import Caller
from hms_floor.api.live.metrics_feed import Feed, Found
from hms_floor.api.live.reservation_waiters import ReservationWaiters
from hms_floor.api.transport.limits import Rates
from hms_floor.api.transport.problems import Problem, busy
from hms_floor.api.transport.shares import Shares
from hms_floor.auth import tokens
from hms_floor.observer import Observer
from hms_oms.access import audit
from hms_oms.access import tokens as register
from hms_oms.database import health, plain_text
from hms_oms.database.connections import RawConnection
from hms_oms.recipes.recipes import Recipes
from hms_oms.runtime import format
from hms_oms.runtime.settings import Settings
from hms_ops.foresight.forecasts import Forecasts
from hms_ops.foresight.kept import Kept
from hms_ops.foresight.staffing import Standing
from hms_ops.metrics import metrics

log = logging.getLogger(__name__)

#: How long one statement may take, in seconds; those of a bulk change may take longer.
STATEMENT_SECONDS = 15
BULK_SECONDS = 120
#: How often it is written down which badges were shown, in seconds.
SEEN_SECONDS = 30.0
#: PostgreSQL has said nothing for so many seconds: nobody is let in to wait for it.
SILENCE_SECONDS = 5.0


def raw(connection: Connection) -> RawConnection:
    """The driver's own connection under a pooled one, within its transaction."""
    driver: RawConnection = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


class AppState:
    """One process of the API."""

    def __init__(self, settings: Settings, engine: Engine, recipes: Recipes) -> None:
        self.settings = settings
        self.engine = engine
        event.listen(engine, "connect", _limit)
        # Who is starting has asked the ledger already: that connection has no limit.
        engine.dispose()
        self.recipes = recipes
        self._noted_seen = float("-inf")
        self.authenticator = Authenticator(tokens.checker(settings), self._revoked)
        self.rates = Rates(settings.floor_rate)
        self.shares = Shares()
        self.starts = Starts(engine)
        self.forecasts = Forecasts()
        self.standings: Kept[Standing | None] = Kept()
        self.line = ReservationWaiters(settings.database_direct_url or settings.servers()[0], engine)
        self.feed = Feed(self._measured)
        self.observer = Observer(*settings.servers(), engine, settings.zone)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection on which everything is read at one moment."""
        with self.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
            yield connection

    @contextmanager
    def writing(self, seconds: int = STATEMENT_SECONDS) -> Iterator[Connection]:
        """A connection whose changes are committed when the block ends well."""
        with self.engine.begin() as connection:
            if seconds != STATEMENT_SECONDS:
                connection.exec_driver_sql(f"set local statement_timeout = '{seconds:d}s'")
            yield connection

    def require_ledger(self) -> None:
        """Raise Problem while PostgreSQL is silent: a request would hang, and its thread with it."""
        seconds = self.observer.waited_for_postgresql()
        if seconds > SILENCE_SECONDS:
            raise busy(f"PostgreSQL has not answered for {format.about(seconds)}", 5)

    async def note_refusal(self, caller: Caller, path: Mapping[str, Any], problem: Problem) -> None:
        """Keep that somebody with a badge has tried a change that was refused."""
        subject = next((plain_text.plain(str(value))[:200] for value in path.values()), None)
        # Of wrong fields the names only: what stands in them may be somebody's data.
        reason = ", ".join(field for field, _ in problem.faults) or problem.detail
        detail = {"refused": plain_text.plain(reason)[:500]}
        act = caller.act(subject, status=problem.status_code, detail=detail)
        try:
            await run_in_threadpool(self._write, act)
        except Exception as error:  # noqa: BLE001 -- the caller's own problem is the one to tell
            log.error("a refusal could not be kept: %s", type(error).__name__)

    def _write(self, act: audit.Act) -> None:
        with self.writing() as connection:
            audit.write(connection, [act])

    def _measured(self) -> Found:
        with self.reading() as connection:
            return health.clock(connection), metrics.newest(connection)

    def _revoked(self) -> frozenset[str]:
        with self.engine.begin() as connection:
            taken_back = register.revoked(connection)
        if time.monotonic() - self._noted_seen > SEEN_SECONDS:
            self._noted_seen = time.monotonic()
            self._note_seen()
        return taken_back

    def _note_seen(self) -> None:
        """Write down which badges were shown lately; nobody is kept out if that fails."""
        lately = [
            register.Seen(badge.jti, badge.actor, sorted(badge.roles), badge.queues, badge.expires_at)
            for badge in self.authenticator.take_seen()
        ]
        try:
            with self.engine.begin() as connection:
                register.note_seen(connection, lately)
        except DBAPIError as error:
            log.warning("it could not be noted who was here: %s", type(error.orig).__name__)


def _limit(connection: RawConnection, _: object) -> None:
    """Have no statement of a new connection go on forever, anyone who runs it."""
    with connection, connection.cursor() as cursor:
        cursor.execute(f"set statement_timeout = '{STATEMENT_SECONDS:d}s'")


async def _app_state(request: Request) -> AppState:
    app_state: AppState = request.app.state.app_state
    return app_state


#: What a route declares to reach the ledger.
TheAppState = Annotated[AppState, Depends(_app_state)]
