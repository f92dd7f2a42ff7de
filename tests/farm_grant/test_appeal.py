"""The appeal: a workflow that mixes the steps of workers with the step of an agent."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from hms_act import accept
from hms_oms.database import connections as ledger_connections
from hms_oms.jobs import reservations
from hms_oms.jobs.outcomes import Done
from hms_oms.recipes import recipes, registry
from tests.conftest import Programs
from tests.workers.test_running import ended

RECIPES = Path(__file__).parents[2] / "workers" / "recipes"


def test_an_appeal_is_reviewed_by_an_agent(programs: Programs, engine: sa.Engine, database: str) -> None:
    """A rejected application's appeal waits for an agent, and the applicant hears of the agent's verdict."""
    known = recipes.load_folder(RECIPES)
    with engine.begin() as connection:
        for recipe in known.values():
            registry.register(connection, recipe)
        grant = {
            "appId": 219,
            "name": "Ann",
            "phone": "555-0123",
            "countyFips": "17031",
            "crop": "corn",
            "acres": 10,
            "amountRequested": 100,
            "submittedOn": "2026-01-02",
        }
        rejected = accept.start_job(connection, known["farm:grant:v1"], grant, requested_by="test").job
    programs.environment["HMS_RECIPES"] = str(RECIPES)
    programs.dispatcher()
    programs.worker("w", "threads")
    assert ended(engine, rejected.id).outcome == "rejected"

    appeal = {"phone": "+13125550123", "grounds": "I have a phone now"}
    with engine.begin() as connection:
        real, unfounded = (
            accept.start_job(
                connection, known["farm:appeal:v1"], {"appId": number, **appeal}, requested_by="test"
            ).job
            for number in (219, 220)
        )
    assert ended(engine, unfounded.id).outcome == "dismissed"
    raw = ledger_connections.connect(database, "agent")
    reservation = reservations.reserve(raw, "appeal-review", agent="ann", wait=20)
    assert reservation is not None
    assert reservation.ticket.job == real.id
    reservations.report_done(raw, reservation, Done({"granted": True}))
    raw.close()
    assert ended(engine, real.id).outcome == "granted"
    with engine.connect() as connection:
        texts = connection.execute(
            sa.text("select body from oms.messages where job_id = :job"), {"job": real.id}
        ).scalars()
        assert list(texts) == ["Farm grant 219: your appeal was granted. An inspector will be assigned."]
