"""The steps that workers do of an appeal; the review between them is an agent's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hms_oms.jobs.outcomes import Done
from workers.farm_grant import rules, texts
from workers.step import StepRun, step

#: The job type whose rejections may be appealed against.
GRANT = "farm:grant:v1"


@step("farm_appeal.validate")
def validate(run: StepRun) -> Done | Mapping[str, Any]:
    """Let the appeal through if its application was rejected; else there is nothing to review."""
    with run.connection.cursor() as cursor:
        cursor.execute(
            "select outcome from oms.jobs where type = %(type)s and key = %(key)s"
            # Of a job that retention has removed, its outcome is known with its key.
            " union all select outcome from oms.known_keys"
            " where type = %(type)s and key = %(key)s and removed_at is not null",
            {"type": GRANT, "key": str(int(run.payload["appId"]))},
        )
        application = cursor.fetchone()
    if application is None:
        return Done({"accepted": False, "reasons": ["unknown"]}, outcome="dismissed", skip_to="notify")
    if application[0] != "rejected":
        return Done({"accepted": False, "reasons": ["open"]}, outcome="dismissed", skip_to="notify")
    return {"accepted": True}


@step("farm_appeal.notify")
def notify(run: StepRun) -> Done:
    """Text the applicant what came of the appeal."""
    verdict = "dismissed"
    if run.results["validate"]["accepted"]:
        verdict = "granted" if (run.results.get("review") or {}).get("granted") else "denied"
    phone = rules.e164(run.payload["phone"]) or run.payload["phone"]
    run.text(phone, texts.appealed(int(run.payload["appId"]), verdict))
    return Done({"texted": True}, outcome=verdict)
