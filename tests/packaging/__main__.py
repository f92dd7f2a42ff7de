"""Builds the distribution, installs it as the image and as a newcomer would, and runs a cycle far from here.

Called by `make check`. Whatever the installed product lacks and only this checkout has, fails here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.packaging import dockerfile, first_cycle, ten_minutes

ROOT = Path(__file__).resolve().parents[2]
APPLICATIONS = 200
CLIENTS = "from hms_act import ActClient; from hms_oms import OmsClient; from hms_ops import OpsClient"


def main() -> None:
    """Build, install and run; the first step that fails ends it with its own words."""
    with tempfile.TemporaryDirectory(prefix="hms-packaging-") as folder:
        place = Path(folder)
        wheel = _built(place / "dist")
        _clients_alone(place / "client", wheel)
        python = _image(place / "image")
        _run(
            python,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--constraint",
            ROOT / "constraints.txt",
            f"{wheel}[testing]",
        )
        _cycle(python.parent, place / "empty")
        print(
            f"packaging: the first cycles, and the text: {first_cycle.follow(python.parent, place / 'first')}"
        )
        _own_job_type(python.parent, place / "own")
    print("packaging: wheel, sdist and image steps are complete")


def _built(out: Path) -> Path:
    _run(sys.executable, "-m", "build", "--outdir", out, ROOT)
    [wheel] = out.glob("*.whl")
    _run(sys.executable, "-m", "twine", "check", "--strict", *out.iterdir())
    return wheel


def _clients_alone(place: Path, wheel: Path) -> None:
    """Without an extra there are the clients, and a program that says what it lacks."""
    _run(sys.executable, "-m", "venv", place)
    python = place / "bin" / "python"
    _run(python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel)
    _run(python, "-c", CLIENTS, cwd=place)
    hms = subprocess.run(
        [place / "bin" / "hms", "check"], capture_output=True, text=True, cwd=place, check=False
    )
    assert hms.returncode == 1, hms
    assert "hms-management-layer[server]" in hms.stderr, hms.stderr


def _image(place: Path) -> Path:
    """The virtual environment of the image, made by the steps of the Dockerfile."""
    dockerfile.build(ROOT, place, _run)
    return place / "venv" / "bin" / "python"


def _cycle(programs: Path, empty: Path) -> None:
    """A whole cycle in an empty folder, with a `celeryconfig` and `workers` of somebody else lying in it."""
    empty.mkdir()
    (empty / "celeryconfig.py").write_text("raise SystemExit('the celeryconfig of somebody else was used')\n")
    (empty / "workers.py").write_text("raise SystemExit('the workers of somebody else were used')\n")
    _run(programs / "hms", "check", cwd=empty, code=1)
    out = _run(programs / "hms", "up", "--sample", APPLICATIONS, "--once", cwd=empty)
    report = json.loads(out.splitlines()[-1])
    print(f"packaging: {APPLICATIONS} applications in an empty folder: {json.dumps(report)[:200]}")


def _own_job_type(programs: Path, empty: Path) -> None:
    """The ten minutes of docs/job-types.md and what follows them, with nothing but what is installed."""
    jobs = ten_minutes.first_jobs(programs, empty)
    print(f"packaging: a job type of its own, written, tested and run: {jobs['done']} jobs done")
    report = ten_minutes.breach(programs, empty)
    print(
        f"packaging: an agent, {report['refused']} rows refused, {report['late']} jobs late, one call,"
        f" acknowledged: {json.dumps(report['outcomes'])}"
    )


def _run(*words: object, cwd: Path = ROOT, code: int = 0) -> str:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("HMS_") and name not in ("VIRTUAL_ENV", "PYTHONPATH")
    }
    command = [str(word) for word in words]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != code:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
