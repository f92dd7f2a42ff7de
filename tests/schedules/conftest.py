"""A scheduler on this test's database, whose turns the test takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from hms_act.schedules import folder
from hms_act.schedules.intake import Intake
from hms_act.schedules.scheduler import Scheduler
from hms_oms.database import health
from hms_oms.recipes.recipes import Column, Recipe
from hms_oms.recipes.schedules.written import ScheduleSpec
from hms_oms.schedules import runs, store
from hms_oms.schedules.records import Run, Schedule

Forward = Callable[[timedelta], None]


class Office:
    """An office with schedules: adds them, moves the clock, takes turns and reads what came of them."""

    def __init__(self, engine: sa.Engine, recipe: Recipe, incoming: Path, forward: Forward) -> None:
        self.engine = engine
        self.recipe = recipe
        self.incoming = incoming
        self.forward = forward
        self.scheduler = self.another()

    def another(self) -> Scheduler:
        """A second scheduler, as that of another dispatcher."""
        intake = Intake(self.engine.begin, self.incoming, ())
        return Scheduler(self.engine.begin, lambda: {self.recipe.type: self.recipe}, intake)

    def add(self, name: str = "daily", cron: str = "0 6 * * *", **more: object) -> Schedule:
        """Add a schedule of the shop, of one order if nothing else is said."""
        given = {"payload": {"number": 7}} | more if "source" not in more else more
        spec = ScheduleSpec(name, cron, **given)  # type: ignore[arg-type]
        with self.engine.begin() as connection:
            return store.add(connection, self.recipe.type, spec, office="UTC", who="t")

    def now(self) -> datetime:
        """The ledger's clock."""
        with self.engine.connect() as connection:
            return health.clock(connection)

    def until(self, hour: int, minute: int = 0, days: int = 0) -> datetime:
        """Move the clock to the next time of this name in UTC, and so many days on; return it."""
        now = self.now().astimezone(UTC)
        there = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        there += timedelta(days=days + (there <= now))
        self.forward(there - now)
        return there

    def turn(self) -> None:
        """Take a turn."""
        self.scheduler.turn()

    def runs(self, name: str = "daily") -> list[Run]:
        """The runs of a schedule, oldest first."""
        with self.engine.connect() as connection:
            schedule = store.get(connection, name)
            return runs.of_schedule(connection, schedule.id, 1000)[::-1]

    def states(self, name: str = "daily") -> list[str]:
        """What has become of each run."""
        return [run.state for run in self.runs(name)]

    def jobs(self) -> list[tuple[int, str]]:
        """The number of the order and the requester of each job."""
        with self.engine.connect() as connection:
            rows = connection.execute(
                sa.text("select (payload ->> 'number')::int, requested_by from oms.jobs order by id")
            )
            return [(number, who) for number, who in rows]

    def file(self, name: str, *numbers: int) -> Path:
        """Put a file of orders with these numbers into the folder of incoming files."""
        path = self.incoming / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(["number", *map(str, numbers)]) + "\n")
        return path


@pytest.fixture
def office(
    engine: sa.Engine,
    shop: Recipe,
    forward: Forward,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Office:
    """An office whose files have come whole as soon as they are seen twice."""
    monkeypatch.setattr(folder, "SETTLED_SECONDS", 0.0)
    (tmp_path / "incoming").mkdir()
    columns = (Column("number", "number", "positive-integer"),)
    return Office(engine, replace(shop, columns=columns), tmp_path / "incoming", forward)
