"""Seeded runs: one page each, through whatever weather its seed brings, and what its handset shows at last.

`python -m tests.provider.storm` does 500 of them on servers of its own; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import sqlalchemy as sa

from hms_floor.local import embedded
from hms_oms.database import connections
from hms_oms.database.connections import RawConnection
from hms_oms.database.schema import migrate
from hms_oms.messages import outbox
from hms_ops.paging import callbacks
from hms_ops.paging.pager import Delivery
from hms_ops.paging.senders.exchange import Exchange
from hms_ops.paging.senders.twilio import Twilio
from tests.provider.driver import Provider
from tests.provider.site import Hook, Site
from tests.provider.weather import Weather, weather

#: How a text that may have come before is marked.
LABEL = " (resend)"
#: How long the sender waits for an answer: for a silence, and in all; in seconds.
READ_SECONDS, TOTAL_SECONDS = 0.1, 0.2
#: Requests are waited for in steps of this, in seconds.
TICK_SECONDS = 0.002
#: So often the pager may look before a text must have come to its end.
MOST_TURNS = 200

#: When the next thing is due, in seconds by the ledger's clock; no row when the text has come to its end.
_NEXT = sa.text(
    "select extract(epoch from coalesce(lease_until, due_at) - oms.now())::float8 from oms.messages"
    " where id = :id and state in ('pending', 'sending', 'unknown', 'accepted', 'sent')"
)
_FORWARD = sa.text("update public.clock set shift = shift + make_interval(secs => :seconds)")
_CLOCK = (
    "create table public.clock (shift interval not null)",
    "insert into public.clock values ('0')",
    """create or replace function oms.now() returns timestamptz language sql stable
       as 'select pg_catalog.now() + shift from public.clock'""",
)


@dataclass(frozen=True, slots=True)
class Run:
    """What one seed led to: the page, what its handset shows, and the state that the ledger has it in."""

    seed: int
    body: str
    shown: tuple[str, ...]
    state: str
    posts: int
    most: int

    @property
    def fault(self) -> str | None:
        """What is wrong with the handset's truth."""
        if not self.shown:
            return "no text"
        if len(self.shown) > self.most:
            return f"{len(self.shown)} texts, at most {self.most} may be"
        if any(text not in (self.body, self.body + LABEL) for text in self.shown):
            return "a text that nobody wrote"
        if len(self.shown) > 1 and not self.shown[1].endswith(LABEL):
            return "the second text does not say that it is one"
        if self.state not in ("delivered", "unconfirmed", "sent", "accepted"):
            return f"arrived, but the ledger has it {self.state}"
        return None


class Storm:
    """Runs on a ledger whose clock can be moved, with a sender that has little patience."""

    def __init__(self, engine: sa.Engine, connection: RawConnection, provider: Provider) -> None:
        self._engine = engine
        self._connection = connection
        self._provider = provider
        self._site = Site(self._hear)
        # One for all runs: to load the certificates takes longer than a run.
        self._exchange = Exchange(READ_SECONDS, TOTAL_SECONDS)

    def close(self) -> None:
        """Stop hearing callbacks."""
        self._site.close()

    def run(self, seed: int) -> Run:
        """Send one page through the weather of `seed`."""
        return self.brave(seed, weather(seed))

    def brave(self, seed: int, sky: Weather) -> Run:
        """Send one page through this weather."""
        self._provider.reset()
        self._provider.fault(*sky.faults)
        if sky.closed:
            self._provider.close()
        body = f"Queue farm-grant: 3 jobs are late, the first since 09:31. Reply ACK K{seed} #K{seed}"
        page = self._put(seed, body)
        self._deliver(page, sky.closed)
        self._provider.release(hang_up=True)
        self._provider.release_callbacks()
        with self._engine.connect() as connection:
            state = connection.scalar(sa.text("select state from oms.messages where id = :id"), {"id": page})
        shown = tuple(text.body for text in self._provider.handsets())
        return Run(seed, body, shown, str(state), len(self._provider.requests()), sky.most)

    def _put(self, seed: int, body: str) -> int:
        with self._engine.begin() as connection:
            outbox.put_page(
                connection,
                token=f"storm:{seed}",
                incident=None,
                kind="page",
                reference=f"K{seed}",
                # A phone of its own: no earlier run holds it back.
                recipient=f"+1202{5550000 + seed:07}",
                body=body,
            )
            return int(connection.execute(sa.text("select max(id) from oms.messages")).scalar_one())

    def _deliver(self, page: int, closed: int) -> None:
        """Have one pager after the other take the lead, each when something is due, until it is through.

        A new one has no memory of the provider's faults: only the ledger carries over.
        """
        for turn in range(MOST_TURNS):
            with self._engine.begin() as connection:
                seconds = connection.scalar(_NEXT, {"id": page})
                if seconds is None:
                    return
                if seconds > 0:
                    connection.execute(_FORWARD, {"seconds": seconds + 0.001})
                    self._provider.forward(seconds + 0.001)
            if closed and turn == closed:
                self._provider.open()
            pager = Delivery(self._connection, self._sender())
            pager.turn()
            while pager.in_flight.any:
                time.sleep(TICK_SECONDS)
                pager.turn()

    def _sender(self) -> Twilio:
        provider = self._provider
        return Twilio(
            provider.account,
            provider.token,
            provider.number,
            provider.url,
            self._site.url,
            exchange=self._exchange,
        )

    def _hear(self, hook: Hook) -> int:
        parts = urlsplit(hook.url)
        if not callbacks.valid(
            self._provider.token, self._site.url, f"{parts.path}?{parts.query}", hook.form, hook.signature
        ):
            return 403
        with self._engine.begin() as connection:
            now = connection.execute(sa.text("select oms.now()")).scalar_one()
            callbacks.status(connection, {**hook.form, **dict(parse_qsl(parts.query))}, now, hook.token)
        return 204


@contextmanager
def storm(database_url: str, provider: Provider) -> Iterator[Storm]:
    """A storm over the ledger at `database_url`, whose clock can be moved."""
    connection = connections.connect(database_url, "hms pager leader")
    blowing = Storm(connections.engine(database_url), connection, provider)
    try:
        yield blowing
    finally:
        blowing.close()
        connection.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Do the runs that are asked for; 1 if one of them broke the promise."""
    parser = argparse.ArgumentParser(prog="python -m tests.provider.storm", description=__doc__)
    parser.add_argument("--runs", type=int, default=500, help="how many seeds (500)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (0)")
    asked = parser.parse_args(arguments)
    seeds = range(asked.first, asked.first + asked.runs)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="hms-texts-") as folder:
        runs = _runs(Path(folder), seeds)
    wrong = [run for run in runs if run.fault]
    for run in wrong:
        print(f"seed {run.seed}: {run.fault}: {asdict(run)}\n  {weather(run.seed)}", file=sys.stderr)
    document = {
        "runs": len(runs),
        "texts": dict(sorted(Counter(len(run.shown) for run in runs).items())),
        "posts": sum(run.posts for run in runs),
        "seconds": round(time.monotonic() - began, 1),
        "wrong": [run.seed for run in wrong],
    }
    print(json.dumps(document), flush=True)
    return 1 if wrong else 0


def _runs(folder: Path, seeds: range) -> list[Run]:
    with embedded.serving(folder / "servers", fast=True) as servers, Provider.start(folder) as provider:
        assert servers.database_url is not None
        migrate.upgrade(servers.database_url)
        engine = connections.engine(servers.database_url)
        with engine.begin() as connection:
            for statement in _CLOCK:
                connection.exec_driver_sql(statement)
        with storm(servers.database_url, provider) as blowing:
            runs = [blowing.run(seed) for seed in seeds]
        engine.dispose()
    return runs


if __name__ == "__main__":
    sys.exit(main())
