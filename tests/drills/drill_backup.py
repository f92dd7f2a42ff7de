"""A backup in mid-cycle, the loss of everything a little later, and the end of the cycle in a new home."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import sqlalchemy as sa

from hms_act import accept
from hms_floor.local import embedded
from hms_oms.database import connections
from hms_oms.recipes.recipes import Recipe
from tests.conftest import RECIPES, Programs, wait_until

JOBS = 400
LABEL = "(resend)"


def test_a_cycle_ends_in_a_new_home(
    programs: Programs, engine: sa.Engine, shop: Recipe, tmp_path: Path
) -> None:
    """Nothing is lost, nothing is done twice in the ledger, and no text goes twice without a label."""
    with engine.begin() as connection:
        for number in range(JOBS):
            payload = {
                "number": number + 1,
                "phone": f"+1202555{number:04}",
                "pick": {"sleep": 0.02, "effect": True},
                "send": {"effect": True},
            }
            accept.start_job(connection, shop, payload, requested_by="drill")
    home = programs.home
    _start(programs)
    _done(engine, JOBS // 8)
    file = tmp_path / "mid.dump"
    made = _hms(programs.environment, "db", "backup", str(file))
    assert made.returncode == 0, made.stderr
    at_backup = len(_texts(home))
    _done(engine, JOBS // 2)
    wait_until(lambda: len(_texts(home)) > at_backup + 20, "texts to go after the backup")
    programs.end()
    before = _texts(home)

    new = tmp_path / "new"
    environment = {
        **{name: value for name, value in programs.environment.items() if not name.endswith("_URL")},
        "HMS_HOME": str(new),
        "HMS_RECIPES": str(RECIPES),
    }
    restored = _hms(environment, "db", "restore", str(file))
    assert restored.returncode == 0, restored.stderr
    print(f"\n{restored.stdout}")
    with embedded.serving(new, fast=True) as servers:
        assert servers.database_url is not None
        assert servers.broker_url is not None
        again = Programs(servers.database_url, servers.broker_url, new)
        try:
            print(_hms(again.environment, "db", "restore-check").stdout)
            checked = _hms(again.environment, "db", "restore-check", "--json")
            assert checked.returncode == 9
            assert 0 < json.loads(checked.stdout)["restore"]["found"]["open"] < JOBS
            _start(again)
            ledger = connections.engine(servers.database_url)
            _done(ledger, JOBS)
            wait_until(
                lambda: _hms(again.environment, "db", "restore-check").returncode == 0,
                "nothing to be left",
                180,
            )
            wait_until(lambda: _left(ledger) == 0, "all texts to have gone", 60)
            _compare(ledger, before, _texts(new))
        finally:
            again.end()
            connections.engine(servers.database_url).dispose()


def _compare(ledger: sa.Engine, before: dict[str, list[str]], after: dict[str, list[str]]) -> None:
    with ledger.connect() as connection:
        ends = connection.execute(sa.text("select status, losses from oms.jobs")).all()
        effects = connection.execute(
            sa.text(
                "select step, count(*), count(distinct job) from public.effects group by step order by step"
            )
        ).all()
    assert set(ends) == {("done", 0)}
    assert len(ends) == JOBS
    assert effects == [("pick", JOBS, JOBS), ("send", JOBS, JOBS)]
    assert len(before.keys() | after.keys()) == JOBS
    twice = before.keys() & after.keys()
    assert twice
    assert all(LABEL in text for token in twice for text in after[token])
    assert all(len(texts) == 1 for texts in (*before.values(), *after.values()))
    labelled = sum(LABEL in text for texts in after.values() for text in texts)
    print(f"backup: {len(twice)} of {JOBS} texts went twice, each labelled; {labelled} were labelled in all")


def _start(programs: Programs) -> None:
    programs.dispatcher()
    programs.worker("w", "threads", 4)
    programs.start("ops", "-m", "hms_floor", "ops", "run")


def _done(engine: sa.Engine, jobs: int) -> None:
    def number() -> bool:
        with engine.connect() as connection:
            query = "select count(*) from oms.jobs where status = 'done'"
            return int(connection.scalar(sa.text(query)) or 0) >= jobs

    wait_until(number, f"{jobs} jobs to be done", 120)


def _left(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        query = "select count(*) from oms.messages where state in ('pending', 'sending', 'unknown')"
        return int(connection.scalar(sa.text(query)) or 0)


def _texts(home: Path) -> dict[str, list[str]]:
    """What stands in the handset log, by token."""
    result: dict[str, list[str]] = {}
    log = home / "handset.log"
    for line in log.read_text().splitlines() if log.exists() else ():
        text = json.loads(line)
        if text["token"].startswith("job-"):
            result.setdefault(text["token"], []).append(text["text"])
    return result


def _hms(environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hms_floor", *words],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
