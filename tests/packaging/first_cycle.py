"""The tutorial docs/first-cycle.md, line by line, with nothing but what is installed."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from tests.packaging.ten_minutes import Office, wait_for
from tests.support.api import free_port

GUIDE = Path(__file__).parents[2] / "docs" / "first-cycle.md"
#: The reference of the incident in the guide; here it has the one that it gets.
REFERENCE = "K5"
REFUSED = 6


def follow(programs: Path, place: Path) -> str:
    """Do what the guide says in an empty folder; what the person on call has been texted."""
    guide = GUIDE.read_text(encoding="utf-8")
    place.mkdir()
    for name, text in re.findall(r"```toml\n# (\S+)\n(.*?)```", guide, re.DOTALL):
        (place / name).write_text(text)
    lines = [shlex.split(line) for line in re.findall(r"^\$ hms (.+)$", guide, re.MULTILINE)]
    assert lines.pop(0) == ["up"]
    office = Office(programs, place, {"HMS_FLOOR_PORT": str(free_port())})
    second = max(place for place, words in enumerate(lines) if words[:2] == ["cycle", "run"])
    with office.started("up") as up:
        wait_for(
            lambda: "What to try next" in (place / "up.log").read_text() or up.poll(), "the floor to be up"
        )
        for words in lines[:second]:
            office.run("hms", *words, code=REFUSED if words[:2] == ["cycle", "run"] else 0)
        with office.started(*lines[second]) as cycle:
            incident: dict[str, Any] = wait_for(lambda: _late(office), "jobs to be late")
            for words in lines[second + 1 :]:
                office.hms(*(incident["reference"] if word == REFERENCE else word for word in words))
            assert cycle.wait(60) == REFUSED
    texts = [json.loads(line) for line in (place / "home" / "handset.log").read_text().splitlines()]
    [text] = [line["text"] for line in texts if incident["reference"] in line["text"]]
    return str(text)


def _late(office: Office) -> dict[str, Any] | None:
    incidents = json.loads(office.hms("incident", "list", "--json"))
    return next((item for item in incidents if item["reference"] and item["rule"] == "late"), None)
