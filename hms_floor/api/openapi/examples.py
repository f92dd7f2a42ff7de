"""An example of each request body; a test holds each against the model that reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Of operations that ask for nothing but a reason.
REASONED: Mapping[str, Any] = {"reason": "county fair"}
#: Of all others, but those whose body is a file, and of a job to start: its payload depends on the recipe.
EXAMPLES: Mapping[str, Any] = {
    "changeJobs": {
        "action": "cancel",
        "filter": {"queue": "farm-grant", "status": ["waiting"]},
        "dryRun": True,
        "reason": "program closed",
    },
    "cancelJob": {"now": False, "reason": "withdrawn by the applicant"},
    "moveJob": {"queue": "farm-grant", "reason": "less to do there"},
    "setJobPriority": {"priority": 10, "reason": "promised by phone"},
    "delayJob": {"notBefore": "2026-11-23T08:00:00Z", "reason": "the map comes on Monday"},
    "signalJob": {"event": "approved", "data": {"by": "the county"}, "reason": "decision by letter"},
    "addSchedule": {
        "name": "daily-grants",
        "jobType": "farm:grant:v1",
        "cron": "0 6 * * MON-FRI",
        "timezone": "America/Chicago",
        "source": "grants/*.csv",
        "reason": "the county sends its file at night",
    },
    "pauseQueue": {"dryRun": True, "reason": "the map service is down"},
    "limitQueue": {"dryRun": True, "startsPerMinute": 40, "reason": "the map service asked for it"},
    "setQueuePolicy": {"dryRun": True, "policy": "most-on-time", "reason": "backlog of the storm"},
    "setQueueSla": {"dryRun": True, "minutes": 60, "reason": "new agreement"},
    "setQueueCalendar": {
        "hours": "Mo-Fr 08:00-16:30",
        "timezone": "America/Chicago",
        "holidays": "US-IL",
        "reason": "office hours of the county",
    },
    "reserveJob": {"wait": 10.0, "lease": 300.0},
    "extendReservation": {"lease": 300.0},
    "reportStep": {"status": "done", "result": {"inspector": "Lee"}},
    "commentIncident": {"text": "The map service is back; the backlog is going down."},
    "addSilence": {
        "rule": "late",
        "queue": "farm-grant",
        "startsAt": "2026-11-28T20:00:00Z",
        "endsAt": "2026-11-28T22:00:00Z",
        "reason": "maintenance of the database",
    },
    "setThreshold": {"value": 0.8, "queue": "farm-grant", "reason": "too many calls came to nothing"},
    "setOnCall": {
        "document": {
            "timezone": "America/Chicago",
            "recipients": {"ada": "+12025550143"},
            "shifts": [
                {"name": "day", "days": ["mon"], "from": "07:00", "until": "19:00", "recipient": "ada"}
            ],
            "steps": [{"after_minutes": 0, "notify": ["shift:day", "ada"]}],
        },
        "reason": "a new rota",
    },
    "sendText": {"to": "+12025550143", "text": "Your inspector is Lee Byron.", "key": "219-inspector"},
    "sendTestPage": {"to": "+12025550143", "reason": "a new phone"},
    "issueBadge": {"actor": "manager@example.gov", "roles": ["manager"], "hours": 8.0, "reason": "her shift"},
    "addWebhook": {
        "name": "billing",
        "url": "https://example.org/hooks/hms",
        "events": ["job.done", "job.late"],
        "queue": "farm-grant",
    },
}


def payload(schema: Mapping[str, Any]) -> Any:
    """A value by what a schema says: its own example first, else the plainest of its kind."""
    if "examples" in schema:
        return schema["examples"][0]
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            properties = schema.get("properties", {})
            return {name: payload(properties.get(name, {})) for name in schema.get("required", ())}
        case "array":
            return [payload(schema.get("items", {}))] * schema.get("minItems", 1)
        case "integer" | "number":
            above = schema.get("exclusiveMinimum")
            return schema.get("minimum", 1) if above is None else above + 1
        case "boolean":
            return True
        case "null":
            return None
    formats = {"date": "2026-11-23", "date-time": "2026-11-23T08:00:00Z", "phone": "515-555-0142"}
    formats |= {"us-county": "19153", "email": "ann@example.gov"}
    return formats.get(schema.get("format", ""), "text".ljust(schema.get("minLength", 0), "x"))
