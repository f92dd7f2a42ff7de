"""The ten minutes of a newcomer, with nothing but what is installed: from an empty folder to a call.

Three commands, the first of which installs, until the first job is done. Then a step for an agent over HTTP,
a file of 200 rows with faults, a breach, the text about it on the wire, its acknowledgement, the outcomes.
"""

from __future__ import annotations

import csv
import http.cookiejar
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.provider.driver import Provider
from tests.support.api import free_port

GUIDE = Path(__file__).parents[2] / "docs" / "job-types.md"
JOB_TYPE, DESK = "city:permit:v1", "permit-desk"
SAMPLE, ROWS = 20, 200
#: The lines of the file that cannot be read, each with its field and what stands there.
FAULTS = {18: ("applicant", ""), 41: ("phone", "call me"), 100: ("reference", "7" * 61)}
#: The clerk refuses every so manieth request.
REFUSED_OF = 10
#: So soon a job is late: the clerk begins only when somebody was called.
SLA_MINUTES = "0.05"
ADA = "+12025550143"
ON_CALL = f"""
[recipients]
ada = "{ADA}"

[[steps]]
after_minutes = 0
notify = ["ada"]
"""
PATIENCE_SECONDS = 60.0

Document = dict[str, Any]


def first_jobs(programs: Path, place: Path) -> Document:
    """Follow the ten minutes of docs/job-types.md in an empty folder; the report of the cycle."""
    place.mkdir()
    office = Office(programs, place, {})
    section = GUIDE.read_text(encoding="utf-8").partition("## Ten minutes")[2]
    commands = re.findall(r"^\$ (.*)", section.partition("## ")[0], re.MULTILINE)
    # Without those that check and tell, and what is said to the shell, it is three: install, write, start.
    assert len([line for line in commands if line.startswith(("pip", "hms recipe new", "hms up"))]) == 3
    out = office.run("bash", "-ec", "\n".join(commands[1:]))
    report: Document = json.loads(out.splitlines()[-1])
    assert report["done"] == report["texts"] == SAMPLE, report
    assert report["outcomes"] == {"granted": SAMPLE, "refused": 0}, report
    return report


def breach(programs: Path, place: Path) -> Document:
    """Go on in that folder until 200 requests are late, somebody is called, and all are done."""
    _write_step_of_an_agent(place / "recipes")
    with Provider.start(place) as provider:
        url = f"http://127.0.0.1:{free_port()}"
        settings = {"HMS_RECIPES": str(place / "recipes"), "HMS_FLOOR_PORT": url.rpartition(":")[2]}
        office = Office(programs, place, provider.environment() | settings)
        office.hms("recipe", "check")
        with office.started("up"):
            wait_for(lambda: _answers(url), "the floor to open")
            (place / "on-call.toml").write_text(ON_CALL)
            office.hms("oncall", "set", "on-call.toml")
            return _cycle(office, provider, url)


def _cycle(office: Office, provider: Provider, url: str) -> Document:
    _write_file(office)
    with office.started("cycle", "run", "day.csv", "--type", JOB_TYPE, "--sla", SLA_MINUTES) as cycle:
        text = wait_for(lambda: provider.handsets(ADA), "somebody to be called")[0]
        incidents = json.loads(office.hms("incident", "list", "--json"))
        # The machine may be busy as well, which calls nobody yet.
        [incident] = [incident for incident in incidents if incident["rule"] == "late"]
        assert incident["reference"] in text.body, (incident, text)
        office.hms("incident", "ack", incident["reference"], "--reason", "the clerk is on the way")
        decided = _decide(office, url)
        assert cycle.wait(PATIENCE_SECONDS) == 6  # rows were refused
    report: Document = json.loads(office.hms("cycle", "report", "--json"))
    assert report["accepted"] == sum(decided.values()) == ROWS - len(FAULTS), report
    outcomes = {"granted": decided[True], "refused": decided[False]}
    assert (report["outcomes"], report["refused"]) == (outcomes, len(FAULTS)), report
    assert report["late"] > 0, report
    assert [text.to for text in provider.handsets(ADA)] == [ADA], "one text for one breach"
    _compare_refused(office)
    _compare_page(office, url, report["batch"], outcomes)
    return report


def _write_step_of_an_agent(recipes: Path) -> None:
    """Have a clerk decide between checking and recording."""
    recipe, steps = recipes / "city-permit.toml", recipes / "city_permit" / "steps.py"
    clerk = f'[[steps]]\nname = "decide"\nby = "agent"\nqueue = "{DESK}"\n\n'
    record = '[[steps]]\nname = "record"'
    _replace(recipe, record, clerk + record)
    write = "    with run.connection.cursor() as cursor:"
    refuse = '    if not run.results["decide"]["granted"]:\n        raise Reject("refused")\n'
    _replace(steps, write, refuse + write)


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, path
    path.write_text(text.replace(old, new), encoding="utf-8")


def _write_file(office: Office) -> None:
    """A sample of 200 requests, three of them spoilt; nobody is texted, so that the call is the only text."""
    office.hms("cycle", "sample", str(ROWS), "--seed", "5", "--type", JOB_TYPE, "--output", "sample.csv")
    with (office.place / "sample.csv").open(newline="") as file:
        rows = [{**row, "reference": f"B-{row['reference']}", "phone": ""} for row in csv.DictReader(file)]
    assert len(rows) == ROWS
    for line, (field, text) in FAULTS.items():
        rows[line - 2][field] = text
    with (office.place / "day.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _decide(office: Office, url: str) -> Counter[bool]:
    """Decide every request as a clerk's program does, by HTTP alone; how many were granted and refused."""
    badge = office.hms("badge", "issue", "--actor", "clerk", "--role", "agent", "--queue", DESK).strip()
    decided: Counter[bool] = Counter()
    while (job := _post(f"{url}/queues/{DESK}/reserve", badge, {"wait": 2})) is not None:
        granted = decided.total() % REFUSED_OF != 0
        _post(
            f"{url}/reservations/{job['reservationId']}/report",
            badge,
            {"status": "done", "result": {"granted": granted}},
        )
        decided[granted] += 1
    return decided


def _compare_refused(office: Office) -> None:
    """Each faulty row is told with its line and field, and no other."""
    refused = json.loads(office.hms("cycle", "refused", "--json"))
    assert {(row["line"], row["field"]) for row in refused} == {
        (line, field) for line, (field, _) in FAULTS.items()
    }, refused


def _compare_page(office: Office, url: str, cycle: int, outcomes: Mapping[str, int]) -> None:
    """The cycle's page has the outcomes of this job type."""
    link = office.hms("floor", "link").split()[-1]
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    opener = urllib.request.build_opener(jar)
    opener.open(link, timeout=10).close()
    page = opener.open(f"{url}/floor/cycles/{cycle}", timeout=10).read().decode()
    for outcome, number in outcomes.items():
        assert outcome in page, outcome
        assert str(number) in page, (outcome, number)


class Office:
    """A folder in which the installed programs are called."""

    def __init__(self, programs: Path, place: Path, settings: Mapping[str, str]) -> None:
        self.place = place
        kept = {
            name: text
            for name, text in os.environ.items()
            if not name.startswith("HMS_") and name not in ("VIRTUAL_ENV", "PYTHONPATH")
        }
        path = f"{programs}{os.pathsep}{os.environ['PATH']}"
        self._environment = kept | {"PATH": path, "HMS_HOME": str(place / "home")} | dict(settings)

    def hms(self, *words: str) -> str:
        """What `hms` prints."""
        return self.run("hms", *words)

    def run(self, *command: str, code: int = 0) -> str:
        """What a program prints; its end is ours unless it ends with this code."""
        done = subprocess.run(
            command, cwd=self.place, env=self._environment, capture_output=True, text=True, check=False
        )
        if done.returncode != code:
            sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    @contextmanager
    def started(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """`hms` beside us, until the block ends."""
        with (self.place / f"{words[0]}.log").open("w") as log:
            process = subprocess.Popen(
                ["hms", *words], cwd=self.place, env=self._environment, stdout=log, stderr=log, text=True
            )
            try:
                yield process
            finally:
                process.send_signal(signal.SIGINT)
                process.wait(PATIENCE_SECONDS)


def wait_for(look: Callable[[], Any], what: str) -> Any:
    """What `look` answers, as soon as that is anything."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (answer := look()):
        if time.monotonic() > deadline:
            sys.exit(f"waited {PATIENCE_SECONDS:g} s needlessly for {what}")
        time.sleep(0.1)
    return answer


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _post(url: str, badge: str, body: Document) -> Document | None:
    """The answer as a document; None for an answer without content."""
    headers = {"Authorization": f"Bearer {badge}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read()
    return json.loads(text) if text else None
