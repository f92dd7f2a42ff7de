"""The units for systemd: what they run exists, they hold no secret, and systemd finds nothing wrong."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest

from hms_floor import cli
from hms_oms.runtime import settings

UNITS = Path(__file__).resolve().parents[2] / "deploy" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.stem)
def test_what_a_unit_runs_exists_and_its_secrets_are_files(path: Path) -> None:
    """Its verb is one of the command line, its settings are known, and the badge key is the API's alone."""
    text = path.read_text()
    [words] = [line.split()[1:] for line in re.findall(r"^ExecStart=(.+)$", text, re.MULTILINE)]
    if "bin/hms " in text.split("ExecStart=")[1]:
        noun = cli.main.get_command(click.Context(cli.main), words[0])
        assert isinstance(noun, click.Group)
        assert words[1] in noun.commands
    given = re.findall(r"^Environment=(\w+)=(.+)$", text, re.MULTILINE)
    assert {name.removesuffix("_FILE") for name, _ in given} <= set(settings.known_names())
    assert all(value.startswith(("%d/", "%S/")) for _, value in given)
    assert ("badge-key" in text) == (path.stem == "hms-floor")


@pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not there")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    """Every line is understood, and what a program may do is little: an exposure of less than two of ten."""
    for path in UNITS.iterdir():
        text = path.read_text().replace("/opt/hms/bin", str(Path(sys.executable).parent))
        (tmp_path / path.name.replace("@.", "@farm-grant.")).write_text(text)
    units = sorted(map(str, tmp_path.iterdir()))
    checked = subprocess.run(
        [ANALYZE or "", "verify", "--man=no", *units], capture_output=True, text=True, timeout=60, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    services = [unit for unit in units if unit.endswith(".service")]
    safe = subprocess.run(
        [ANALYZE or "", "security", "--offline=true", "--threshold=20", *services],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert safe.returncode == 0, safe.stdout + safe.stderr
