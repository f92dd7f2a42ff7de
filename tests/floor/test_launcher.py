"""The launcher and its supervisor: real processes that are started, killed, restarted and stopped."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import psutil
import pytest

from hms_floor.local import embedded, launcher, processes, supervisor
from hms_floor.local.processes import Program
from hms_floor.local.supervisor import NotReady, Supervisor
from hms_oms.runtime import settings
from hms_oms.runtime.errors import ConfigError
from tests.conftest import wait_until
from tests.support.programs import Program as Forked

ROOT = Path(__file__).resolve().parents[2]

#: Writes NAME:PID to a log and sleeps; on SIGTERM writes NAME again, unless it is deaf.
TINY = """
import os, signal, sys
name, log, deaf = sys.argv[1:4]
def write(text):
    with open(log, "a") as file: file.write(text + "\\n")
def leave(*_):
    if not deaf:
        write(name)
        sys.exit(0)
signal.signal(signal.SIGTERM, leave)
write(f"{name}:{os.getpid()}")
while True: signal.pause()
"""

#: Runs a floor of one tiny program on servers of its own; what it does when ready is the second argument.
TINY_FLOOR = """
import os, signal, sys
from pathlib import Path
from hms_floor.local import launcher
from hms_oms.runtime import settings
from tests.floor.test_launcher import tiny
home = Path(sys.argv[1])
floor = lambda *_: [tiny(home, "tiny")]
sys.exit(launcher.run(settings.load(), prepare=lambda _: None, floor=floor, when_ready=eval(sys.argv[2])))
"""

WHOLE_FLOOR = """
import sys
from hms_floor.cli.installation.preparing import prepare
from hms_floor.local import launcher
from hms_oms.recipes import recipes
from hms_oms.runtime import settings
configured = settings.load()
known = recipes.load_folder(configured.recipes).values()
sys.exit(launcher.run(configured, prepare=lambda url: prepare(url, known)))
"""


#: Servers that are never asked, so that a launcher starts none of its own.
NOWHERE = {"HMS_DATABASE_URL": "postgresql://nowhere/hms", "HMS_BROKER_URL": "redis://nowhere"}


def tiny(home: Path, name: str, *, rank: int = 0, deaf: bool = False, patience: float = 5.0) -> Program:
    """A program that notes in home/starts when it starts and when it is told to stop."""
    command = [sys.executable, "-S", "-E", "-c", TINY, name, str(home / "starts"), "deaf" if deaf else ""]
    start = partial(processes.spawn, command, log=processes.log_file(home, name))
    stops = ((signal.SIGTERM, patience), (signal.SIGKILL, 5.0))
    return Program(name, start, rank=rank, stops=stops, ready=lambda pid: f"{name}:{pid}" in event_log(home))


def event_log(home: Path) -> list[str]:
    """What the tiny programs have noted so far."""
    try:
        return (home / "starts").read_text().splitlines()
    except FileNotFoundError:
        return []


def has_noted(home: Path, lines: int) -> bool:
    """Whether the tiny programs have written so many lines."""
    return len(event_log(home)) == lines


def alive(pid: int) -> bool:
    """Whether a process runs; a corpse that nobody has buried does not."""
    return processes.started(pid) is not None


@pytest.fixture
def said() -> list[str]:
    """What the supervisor has said."""
    return []


@pytest.fixture
def keeper(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    """A supervisor, which is stopped in a hurry at the end."""
    keeper = Supervisor(tmp_path, say=said.append, over=lambda: None, pauses=(0.05, 0.1))
    yield keeper
    keeper.hurry()
    keeper.stop()


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Callable[..., Forked]]:
    """Runs a script as a launcher in home `tmp_path`, its output in tmp_path/said."""
    with ExitStack() as cleanup:

        def start(script: str, *arguments: str, **environment: str) -> Forked:
            all_of_it = {**os.environ, "HMS_HOME": str(tmp_path), **environment}
            process = Forked(["-c", script, *arguments], all_of_it, tmp_path / "said", ROOT)
            cleanup.callback(process.wait)
            cleanup.callback(process.kill)
            return process

        yield start


def test_where_a_provider_issues_badges_the_launcher_makes_none(
    tmp_path: Path, launch: Callable[..., Forked]
) -> None:
    """The floor starts all the same, and nothing in its home opens an API."""
    keys = tmp_path / "jwks.json"
    keys.write_text('{"keys": []}')
    process = launch(TINY_FLOOR, str(tmp_path), "lambda: 0", HMS_BADGE_JWKS=str(keys), **NOWHERE)
    assert process.wait(30) == 0, (tmp_path / "said").read_text()
    assert not (tmp_path / "badge").exists()
    assert not (tmp_path / "badge.key").exists()


def test_a_program_that_dies_is_started_again(tmp_path: Path, keeper: Supervisor, said: list[str]) -> None:
    """Each end is told with its cause, the pauses double, and the record follows."""
    keeper.keep(tiny(tmp_path, "act"))
    for count in (1, 2, 3):
        wait_until(partial(has_noted, tmp_path, count), f"start {count}")
        os.kill(int(event_log(tmp_path)[-1].removeprefix("act:")), signal.SIGKILL)
    wait_until(lambda: len(event_log(tmp_path)) == 4, "start 4")
    pid = int(event_log(tmp_path)[-1].removeprefix("act:"))
    wait_until(lambda: json.loads((tmp_path / "pids.json").read_text())["act"]["pid"] == pid, "its record")
    assert [line.partition(" (see")[0] for line in said] == [
        f"act was ended by SIGKILL; it is started again in {pause} s" for pause in ("0.05", "0.1", "0.1")
    ]


def test_programs_stop_rank_by_rank(tmp_path: Path, keeper: Supervisor) -> None:
    """Workers go before the daemons, whatever the order in which they were started."""
    for name, rank in (("act", 1), ("worker-1", 0), ("worker-2", 0)):
        keeper.keep(tiny(tmp_path, name, rank=rank))
    wait_until(lambda: len(event_log(tmp_path)) == 3, "all to start")
    keeper.stop()
    assert sorted(event_log(tmp_path)[3:5]) == ["worker-1", "worker-2"]
    assert event_log(tmp_path)[5:] == ["act"]
    assert json.loads((tmp_path / "pids.json").read_text()) == {}


def test_a_program_that_does_not_listen_is_killed(tmp_path: Path, keeper: Supervisor) -> None:
    """A stop is bounded by the program's patience, or by ours."""
    keeper.keep(tiny(tmp_path, "short", deaf=True, patience=0.1))
    keeper.keep(tiny(tmp_path, "long", deaf=True, patience=600.0, rank=1))
    wait_until(lambda: len(event_log(tmp_path)) == 2, "both to start")
    pids = dict(line.split(":") for line in event_log(tmp_path))
    stopping = threading.Thread(target=keeper.stop)
    stopping.start()
    wait_until(lambda: not alive(int(pids["short"])), "the first to be killed after its patience")
    assert alive(int(pids["long"]))
    keeper.hurry()
    stopping.join()
    assert not alive(int(pids["long"]))


def test_the_children_of_a_program_do_not_outlive_it(tmp_path: Path, keeper: Supervisor) -> None:
    """When a worker's parent process is killed, its pool is swept up before a new one starts."""
    script = "sleep 600 & echo $! > child; exec sleep 600"
    start = partial(processes.spawn, ["sh", "-c", script], log=tmp_path / "log" / "pool.log", cwd=tmp_path)
    keeper.keep(Program("pool", start))
    wait_until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text(), "the pool's child")
    child = int((tmp_path / "child").read_text())
    # The program runs a moment before it is on record.
    record = tmp_path / processes.PIDS_FILE
    wait_until(lambda: record.exists() and "pool" in json.loads(record.read_text()), "the pool's record")
    os.kill(json.loads(record.read_text())["pool"]["pid"], signal.SIGKILL)
    wait_until(lambda: not alive(child), "the child's end")


def test_a_program_that_does_not_come_up_is_told_with_its_last_words(
    tmp_path: Path, keeper: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Waiting ends as soon as a program has ended too often."""
    monkeypatch.setattr(supervisor, "READY_ENDS", 1)
    start = partial(
        processes.spawn, ["sh", "-c", "echo no such table; exit 3"], log=tmp_path / "log" / "act.log"
    )
    keeper.keep(Program("act", start, ready=lambda _: False))
    with pytest.raises(NotReady, match=r"(?s)act does not come up.*act\.log.*no such table"):
        keeper.await_ready(20.0)


def test_a_taken_port_for_flower_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    """A port that somebody else has is refused before anything starts."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        configured = settings.Settings(home=tmp_path, flower_port=taken.getsockname()[1])
        with pytest.raises(ConfigError, match="HMS_FLOWER_PORT"):
            launcher.whole_floor(configured, "postgresql://x/y", "redis://x", print, listening=taken)


def test_what_is_run_when_ready_decides_the_exit_code(tmp_path: Path, launch: Callable[..., Forked]) -> None:
    """A number ends the floor with this exit code; everything is stopped and cleaned up."""
    process = launch(TINY_FLOOR, str(tmp_path), "lambda: 7", **NOWHERE)
    assert process.wait(30) == 7, (tmp_path / "said").read_text()
    assert [line.partition(":")[0] for line in event_log(tmp_path)] == ["tiny", "tiny"]
    assert not (tmp_path / "servers.json").exists()
    assert json.loads((tmp_path / "pids.json").read_text()) == {}


def test_a_termination_while_work_is_done_ends_the_floor(
    tmp_path: Path, launch: Callable[..., Forked]
) -> None:
    """SIGTERM interrupts what runs in the foreground, and still everything is stopped in order."""
    process = launch(TINY_FLOOR, str(tmp_path), "lambda: (print('working'), signal.pause())", **NOWHERE)
    wait_until(lambda: b"working" in (tmp_path / "said").read_bytes(), "the work to begin")
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGTERM
    assert event_log(tmp_path)[-1] == "tiny"


@pytest.mark.drill
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_a_killed_floor_leaves_no_process_and_can_be_started_again(
    tmp_path: Path, launch: Callable[..., Forked]
) -> None:
    """Children die with a killed launcher, and its stale servers.json does not mislead the next one."""
    first = launch(TINY_FLOOR, str(tmp_path), "None")
    wait_until(lambda: b"is up" in (tmp_path / "said").read_bytes(), "the floor")
    pids = [mark["pid"] for mark in json.loads((tmp_path / "pids.json").read_text()).values()]
    assert len(pids) == 3
    first.kill()
    first.wait()
    wait_until(lambda: not any(alive(pid) for pid in pids), "the end of all children")
    assert settings.load({"HMS_HOME": str(tmp_path)}).database_url == embedded.addresses(tmp_path)[0]
    second = launch(TINY_FLOOR, str(tmp_path), "lambda: 0")
    assert second.wait(30) == 0, (tmp_path / "said").read_text()


def test_a_whole_floor_comes_up_works_and_goes(tmp_path: Path, launch: Callable[..., Forked]) -> None:
    """Servers, workers, daemons and Flower are up; the home is refused to others; Ctrl-C stops all.

    The port that it had is somebody else's by now, who hears nothing of it; and it listens at IPv6.
    """
    stranger = socket.create_server(("::1", 0), family=socket.AF_INET6)
    stranger.setblocking(False)
    (tmp_path / "floor.port").write_text(str(stranger.getsockname()[1]))
    process = launch(WHOLE_FLOOR, HMS_WORKERS="1", HMS_FLOOR_HOST="::1", HMS_FLOOR_PORT="0")
    wait_until(
        lambda: b"is up" in (tmp_path / "said").read_bytes() or process.poll() is not None, "the floor", 40.0
    )
    text = (tmp_path / "said").read_text()
    assert "(worker-1, act, ops, floor, flower)" in text
    with stranger, pytest.raises(BlockingIOError):
        stranger.accept()
    floor_url = settings.load({"HMS_HOME": str(tmp_path)}).floor_url
    assert floor_url == f"http://[::1]:{(tmp_path / 'floor.port').read_text()}"
    assert urllib.request.urlopen(f"{floor_url}/livez").status == 200

    assert (tmp_path / "servers.json").stat().st_mode & 0o777 == 0o600
    assert settings.load({"HMS_HOME": str(tmp_path)}).servers() == embedded.addresses(tmp_path)
    with pytest.raises(processes.HomeBusy, match=f"process {process.pid}:"), processes.hold(tmp_path):
        pass

    password = (tmp_path / "flower.password").read_text()
    assert password not in text
    children = psutil.Process(process.pid).children(recursive=True)
    assert not any(password in " ".join(child.cmdline()) for child in children)
    url = f"http://127.0.0.1:{(tmp_path / 'flower.port').read_text()}/flower/api/workers?refresh=true"
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(url)
    key = base64.b64encode(f"hms:{password}".encode()).decode()
    wait_until(lambda: "worker-1@" in get(url, key), "Flower to know the worker")

    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0, (tmp_path / "said").read_text()
    assert not any(alive(child.pid) for child in children)
    assert not (tmp_path / "servers.json").exists()


def get(url: str, key: str) -> str:
    """What Flower's API answers to the person who knows the password."""
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {key}"})
    with urllib.request.urlopen(request) as answer:
        return str(answer.read().decode())
