"""`python -m tests.api.fuzz`: schemathesis against a running API, all checks, for ten minutes.

python -m tests.api.fuzz --seconds 600 --seed 7
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from hms_floor.cli.installation import db
from hms_floor.local import embedded
from hms_oms.recipes import recipes
from hms_oms.runtime.settings import Settings
from tests.api.conftest import ApiServer, start

CONFIG = Path(__file__).parent / "schemathesis.toml"
#: A reservation may be waited for, for half a minute.
LONGEST_ANSWER = 35


def run(api_server: ApiServer, folder: Path, seconds: int, *words: str) -> subprocess.CompletedProcess[str]:
    """Fuzz an API for so long, and return what schemathesis says; its exit code is 0 without any failure."""
    document = folder / "openapi.json"
    document.write_text(json.dumps(api_server.get("/openapi.json")))
    return subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            *("--config-file", str(CONFIG)),
            *("run", str(document), "--url", api_server.url),
            *("--header", f"Authorization: Bearer {api_server.badge()}"),
            *("--checks", "all", "--max-time", str(seconds)),
            *("--max-response-time", str(LONGEST_ANSWER), "--no-color", *words),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=4 * seconds + 120,
    )


def main() -> None:
    """Start servers and an API of its own, fuzz it, and exit as schemathesis does."""
    parser = argparse.ArgumentParser(prog="python -m tests.api.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, metavar="N", help="how long (default 600)")
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed tries the same things")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hms-fuzz-") as name:
        folder = Path(name)
        with embedded.serving(folder / "servers") as servers:
            assert servers.database_url is not None
            assert servers.broker_url is not None
            known = Settings().recipes
            db.prepare(servers.database_url, recipes.load_folder(known).values())
            # One badge asks as fast as it can.
            more = {"HMS_RECIPES": str(known), "HMS_FLOOR_RATE": "100000"}
            api_server = start(servers.database_url, servers.broker_url, folder, **more)
            try:
                words = ["--continue-on-failure", *(["--seed", str(asked.seed)] if asked.seed else [])]
                done = run(api_server, folder, asked.seconds, *words)
            finally:
                api_server.process.terminate()
                api_server.process.wait(20)
            print(done.stdout, done.stderr, sep="\n")
            failed = (folder / "floor.log").read_text().count("a request failed")
            print(f"{failed} requests failed for a fault of the server")
            sys.exit(done.returncode or min(failed, 1))


if __name__ == "__main__":
    main()
