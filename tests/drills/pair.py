"""Two PostgreSQL servers by streaming replication: the second follows the first until it is promoted."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import psycopg2
import pytest

from tests.conftest import wait_until
from tests.support import pooler
from tests.support.api import free_port


@dataclass
class Pair:
    """Both servers; `url` names both and leads to the one that takes writes."""

    url: str
    first: str
    second: str
    process: subprocess.Popen[bytes]

    def kill_first(self) -> None:
        """End the first as a power cut does."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def promote_second(self) -> None:
        """Have the second take writes."""
        with closing(psycopg2.connect(self.second)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute("select pg_promote(true, 30)")
            assert cursor.fetchone() == (True,)


@contextmanager
def pair(*, synchronous: bool) -> Iterator[Pair]:
    """A pair with an empty database `hms`; if it is synchronous, what is committed is on both."""
    backup = pooler.BIN / "pg_basebackup"
    if not backup.exists():
        pytest.skip(f"there is no {backup}: nothing was tried with a pair of servers")
    with ExitStack() as held, pooler.folder() as place:
        ports = [free_port(), free_port()]
        first, second = (f"postgresql://hms@127.0.0.1:{port}/postgres" for port in ports)
        pooler.run(str(pooler.BIN / "initdb"), "-D", str(place / "1"), "-U", "hms", "-A", "trust", "-N")
        with (place / "1/pg_hba.conf").open("a") as file:
            file.write("host replication hms 127.0.0.1/32 trust\n")
        process = held.enter_context(pooler.server(place, "1", ports[0], first))
        with closing(psycopg2.connect(first)) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute("create database hms")
            where = f"host=127.0.0.1 port={ports[0]} user=hms application_name=second"
            pooler.run(str(backup), "-D", str(place / "2"), "-d", where, "-R", "-X", "stream", "-c", "fast")
            held.enter_context(pooler.server(place, "2", ports[1], second))
            if synchronous:
                # Not in the copy: the second has nobody to wait for once it is promoted.
                cursor.execute("alter system set synchronous_standby_names = 'second'")
                cursor.execute("select pg_reload_conf()")
            state = "sync" if synchronous else "async"

            def follows() -> bool:
                cursor.execute("select sync_state from pg_stat_replication where state = 'streaming'")
                return cursor.fetchone() == (state,)

            wait_until(follows, f"the second server to follow ({state})")
        hosts = ",".join(f"127.0.0.1:{port}" for port in ports)
        url = f"postgresql://hms@{hosts}/hms?target_session_attrs=read-write"
        yield Pair(url, first, second, process)
