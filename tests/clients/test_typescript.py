"""The TypeScript client of docs/clients.md: made, compiled and run as it is written there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from hms_floor.cli.installation.preparing import prepare
from hms_oms.recipes import recipes
from hms_oms.runtime.settings import Settings
from tests.support.api import standing

PAGE = Path(__file__).parents[2] / "docs" / "clients.md"
#: npm asks a registry: where none answers, it gives up after this long, in seconds.
PATIENCE = 300


@pytest.mark.drill
def test_the_client_of_the_page_compiles_and_works(database: str, broker: str, tmp_path: Path) -> None:
    """Every command of the page runs, and the client starts a job and lists it."""
    if not shutil.which("npm") or not shutil.which("node"):
        pytest.skip("npm is not here: the TypeScript client is not made")
    section = PAGE.read_text(encoding="utf-8").split("\n## TypeScript\n")[1]
    lines = re.findall(r"^\$ (.*)$", section, re.MULTILINE)
    [program] = re.findall(r"```typescript\n(.*?)```", section, re.DOTALL)
    folder = tmp_path / "client"
    folder.mkdir()
    (folder / "client.ts").write_text(program, encoding="utf-8")
    known = Settings().recipes
    prepare(database, recipes.load_folder(known).values())
    with standing(database, broker, tmp_path / "home", recipes=known) as api_server:
        environment = os.environ | {"HMS_URL": api_server.url, "BADGE": api_server.badge("operator")}
        output = ""
        for line in lines:
            done = subprocess.run(
                ["bash", "-c", line],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
            if done.returncode and "npm install" in line:
                pytest.skip(f"npm cannot install here: {shlex.quote(done.stderr[-300:])}")
            assert done.returncode == 0, line + done.stdout + done.stderr
            output = done.stdout
    assert re.fullmatch(r"job-1\njob-1 waiting 20\S+Z\n", output)
