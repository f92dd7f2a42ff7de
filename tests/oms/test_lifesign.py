"""A process's own sign of life, and the probes that read it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hms_oms.daemon import liveness
from hms_oms.daemon.liveness import Sign
from tests.support.programs import run_hms


def probe(home: Path, noun: str) -> tuple[int, dict[str, object]]:
    """Run `hms NOUN health --json`; nothing answers where the servers should be."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HMS_")}
    environment = {**kept, "HMS_HOME": str(home), "HMS_DATABASE_URL": "postgresql://127.0.0.1:1/x"}
    done = run_hms([noun, "health", "--json"], environment)
    assert done.stderr == ""
    answer: dict[str, object] = json.loads(done.stdout)
    return done.returncode, answer


def test_a_sign_is_renewed_and_grows_old(tmp_path: Path) -> None:
    """By the host's monotonic clock; one that is too old is of a process that hangs."""
    sign = Sign(tmp_path, "act", clock=lambda: 100.0)
    sign.renew("leading")
    [life] = liveness.read(tmp_path, "act", clock=lambda: 101.0)
    assert (life.pid, life.state, life.age, life.alive) == (os.getpid(), "leading", 1.0, True)
    [life] = liveness.read(tmp_path, "act", clock=lambda: 100.5 + liveness.HANGS_SECONDS)
    assert not life.alive
    sign.end()
    assert liveness.read(tmp_path, "act") == []


def test_a_sign_is_written_when_it_says_something_new(tmp_path: Path) -> None:
    """And else every two seconds."""
    now = 0.0
    sign = Sign(tmp_path, "act", clock=lambda: now)
    for now, state, age in ((0.0, "standing by", 0.0), (1.0, "standing by", 1.0), (1.0, "leading", 0.0)):
        sign.renew(state)
        [life] = liveness.read(tmp_path, "act", clock=lambda: now)  # noqa: B023
        assert (life.state, life.age) == (state, age)


def test_a_home_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    """A process goes on; the probe says that there is no sign."""
    (tmp_path / liveness.FOLDER).write_text("in the way")
    Sign(tmp_path, "act").renew("leading")
    assert liveness.read(tmp_path, "act") == []


#: What is slow to load and was loaded by a probe.
LOADED = """
import sys
from hms_floor.cli import main
main([sys.argv[1], "health"], standalone_mode=False)
slow = {"alembic", "celery", "fastapi", "httpx", "jsonschema", "psycopg2", "redis", "sqlalchemy"}
print(sorted(slow & set(sys.modules)))
"""


@pytest.mark.parametrize(
    ("noun", "programs"), [("act", ["act"]), ("ops", ["ops", "pager"]), ("worker", ["worker"])]
)
def test_a_probe_asks_this_process_only_and_is_cheap(tmp_path: Path, noun: str, programs: list[str]) -> None:
    """Exit 1 without a sign, 0 with one of a live process; neither clients nor Celery are loaded for it."""
    assert probe(tmp_path, noun)[0] == 1
    for program in programs:
        Sign(tmp_path, program).renew("working")
    code, result = probe(tmp_path, noun)
    assert (code, result["ok"]) == (0, True)
    loaded = subprocess.run([sys.executable, "-c", LOADED, noun], capture_output=True, text=True, check=False)
    assert (loaded.returncode, loaded.stdout.splitlines()[-1:]) == (0, ["[]"]), loaded.stderr
    # A process that was killed leaves its sign behind.
    for path in (tmp_path / liveness.FOLDER).iterdir():
        document = {**json.loads(path.read_text()), "pid": 2**22 + 1}
        path.write_text(json.dumps(document))
    assert probe(tmp_path, noun)[0] == 1
