"""The three steps of a farm-grant application: validate, inspect, notify."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hms_oms.jobs.outcomes import Done
from workers.farm_grant import roster, rules, texts
from workers.step import StepRun, step


@step("farm_grant.validate")
def validate(run: StepRun) -> Done | Mapping[str, Any]:
    """Accept the application, or reject it with every reason; a rejected one needs no visit."""
    reasons = rules.reasons(run.payload, rules.latest_today(run.now, run.office))
    if not reasons:
        return {"accepted": True}
    return Done({"accepted": False, "reasons": list(reasons)}, outcome="rejected", skip_to="notify")


@step("farm_grant.inspect")
def inspect(run: StepRun) -> Done:
    """Assign the inspector who will visit the farm."""
    inspector = roster.assign(
        run.connection,
        application=_application(run),
        job=run.job,
        county_fips=run.payload["countyFips"],
    )
    return Done({"inspector": {"id": inspector.id, "name": inspector.name}}, outcome="assigned")


@step("farm_grant.notify")
def notify(run: StepRun) -> Mapping[str, Any]:
    """Text the applicant who will come, or why nobody will.

    A number that cannot be dialled stands in the outbox as it was written: no answer is left out, and
    anyone who sends it sees that it could not be.
    """
    phone = rules.e164(run.payload["phone"])
    run.text(phone or run.payload["phone"], _news(run))
    return {"texted": True, "dialable": phone is not None}


def _news(run: StepRun) -> str:
    verdict = run.results["validate"]
    if verdict["accepted"]:
        return texts.assigned(_application(run), run.results["inspect"]["inspector"]["name"])
    return texts.rejected(_application(run), verdict["reasons"])


def _application(run: StepRun) -> int:
    # JSON knows no integers: 219.0 is a whole number to the schema too.
    return int(run.payload["appId"])
