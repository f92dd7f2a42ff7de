"""A floor of its own with two weeks behind it, and a morning on which too little is done in time."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from hms_oms.database import connections
from tests.conftest import wait_until
from tests.pages.conftest import HEAD, Floor, row, start
from tests.support.api import free_port

#: Two weeks of mornings of 400 applications each, some of them late; one morning worse than the others.
_WEEKS = """
insert into oms.jobs (type, recipe_id, steps, queue, status, step, sla, sla_minutes, payload, requested_by,
    created_at, started_at, since, finished_at, outcome, error)
select 'farm:grant:v1', recipe.id, '{validate,inspect,notify}', 'farm-grant',
    case when mod(n, 199) = 0 then 'failed' else 'done' end, 2, at + interval '1 hour', 60, '{}', 'cycle',
    at, at + took / 2, at + took, at + took, case when mod(n, 9) = 0 then 'rejected' else 'assigned' end,
    case when mod(n, 199) = 0 then
        '{"type": "LookupError", "message": "the county has no inspector", "traceback": ""}'::jsonb end
from oms.recipes as recipe, generate_series(1, 13) as day, generate_series(1, 400) as n,
    lateral (
        select date_trunc('day', oms.now()) - day * interval '1 day' + interval '7 hours' as at,
            n * interval '8 seconds'
                * (case when day = 4 then 2.6 when mod(day, 3) = 0 then 1.15 else 0.8 end) as took
    ) as times
where recipe.type = 'farm:grant:v1' and extract(isodow from at) < 6
"""
#: The day before this moment: a hump of open jobs in the morning, and a smaller one at noon.
_DAY = """
insert into ops.samples (at, name, queue, subject, value)
select at, name, 'farm-grant', subject, greatest(0, round(scale * (
    exp(-((extract(epoch from oms.now() - at) / 3600 - 17) ^ 2) / 3)
    + 0.4 * exp(-((extract(epoch from oms.now() - at) / 3600 - 11) ^ 2) / 2)
)))
from generate_series(
        date_trunc('minute', oms.now()) - interval '23 hours 50 minutes',
        date_trunc('minute', oms.now()) - interval '6 minutes', '1 minute'
    ) as at,
    (values ('queue.length', 'backlog', 900), ('queue.length', 'running', 12), ('queue.waitTime', '', 1500),
        ('queue.waitTime.p95', '', 2600), ('queue.throughput.minute', '', 1), ('sla.breached', '', 0)
    ) as kept (name, subject, scale)
on conflict do nothing
"""
#: What starts by itself, so that the week has something in it.
SCHEDULES = {
    "daily-grants": {
        "jobType": "farm:grant:v1",
        "cron": "0 6 * * MON-FRI",
        "calendar": "US",
        "source": "grants/*.csv",
    },
    "appeal-reminder": {
        "jobType": "farm:appeal:v1",
        "cron": "0 9 * * TUE,THU",
        "payload": {"appId": 219, "phone": "+13125550142", "grounds": "the yearly review"},
    },
}


@contextmanager
def up() -> Iterator[Floor]:
    """A floor with two workers, which has had two weeks and a day already, for as long as the block lasts."""
    # A run that is told to end leaves no floor behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with tempfile.TemporaryDirectory() as folder:
        home, port = Path(folder) / "home", free_port()
        process = start(home, HMS_FLOOR_PORT=str(port), HMS_WORKERS="2")
        try:
            log = home.parent / "up.log"
            wait_until(lambda: "the floor is up" in log.read_text(), "the floor to be up", 90)
            badge = (home / "badge").read_text().strip()
            headers = {"Authorization": f"Bearer {badge}"}
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(
                base_url=url, headers=headers, timeout=30, trust_env=False, verify=False
            ) as client:
                floor = Floor(url, home, process, client)
                _give_past(floor)
                yield floor
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def burn(floor: Floor) -> None:
    """The morning: most is done at once, the rest waits under a limit that is too low for it."""
    floor.cycle(600, 60)
    wait_until(lambda: not floor.ask("GET", "/jobs?status=open")["jobs"], "the early ones", 240)
    floor.ask("POST", "/queues/farm-grant/limit", {"startsPerMinute": 240, "reason": "county fair"})
    content = "\n".join([HEAD, *(row(number) for number in range(5000, 6500))])
    path = "/cycles?jobType=farm:grant:v1&name=applications.csv&slaMinutes=1"
    floor.ask("POST", path, content=content, headers={"Content-Type": "text/csv"})


def _give_past(floor: Floor) -> None:
    engine = connections.engine(json.loads((floor.home / "servers.json").read_text())["database_url"])
    with engine.begin() as connection:
        connection.exec_driver_sql(_WEEKS)
        connection.exec_driver_sql(_DAY)
    engine.dispose()
    for name, body in SCHEDULES.items():
        floor.ask("POST", "/schedules", {"name": name, **body})
