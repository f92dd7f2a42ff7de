"""Incidents, and what people say about them; silences, thresholds, and who is on call."""

from __future__ import annotations

from datetime import timedelta, tzinfo
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from sqlalchemy import Connection

from hms_floor.api import visible
from hms_floor.api.access import Guarded, Who
from hms_floor.api.app_state import TheAppState
from hms_floor.api.problems import Problem
from hms_floor.api.requests import requests
from hms_floor.api.requests.requests import Cursor, IncidentRef, Limit, QueueName, Reasoned
from hms_floor.api.responses import ops as answers
from hms_floor.api.zones import Zone
from hms_oms.access import audit
from hms_oms.database import health
from hms_oms.jobs import commands
from hms_oms.jobs.tickets import job_name
from hms_oms.messages import outbox
from hms_ops import heartbeats
from hms_ops.incidents import actions, late_jobs, silences, stages, thresholds, trend, wording
from hms_ops.incidents.actions import STATES, Incident
from hms_ops.oncall import coverage, doubts, oncall

router = APIRouter(route_class=Guarded, tags=["incidents"])

#: So many of its texts are shown with an incident.
TEXTS = 100
#: So many actions of people are, from so long before it began.
ACTIONS = 100
BEFORE = timedelta(hours=1)

Named = Annotated[IncidentRef, Path(alias="id", description="Its number, or its reference.", examples=["K7"])]
SilencePath = Annotated[int, Path(alias="id", ge=1, le=2**63 - 1)]
WordPath = Annotated[str, Path(pattern="^[a-z][a-z_-]{0,60}$")]


@router.get("/incidents", response_model=answers.Incidents)
def find(
    app_state: TheAppState,
    zone: Zone,
    state: Annotated[list[requests.IncidentState], Query(description="All, where none is named.")] = [],  # noqa: B006
    queue: Annotated[QueueName | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """List incidents, newest first."""
    with app_state.reading() as connection:
        if queue is not None:
            commands.require_queue(connection, queue)
        found = actions.find(connection, state or STATES, queue, limit=limit, after=cursor)
        shown = [_shown(zone, each) for each in found]
    return {"incidents": shown, "next": str(found[-1].id) if len(found) == limit else None}


@router.get("/incidents/{id}", response_model=answers.IncidentWithTimeline)
def get(app_state: TheAppState, who: Who, zone: Zone, incident: Named) -> dict[str, Any]:
    """Everything about one incident."""
    with app_state.reading() as connection:
        found = actions.get(connection, incident)
        late = late_jobs.of(connection, found)
        texts = outbox.texts_of(connection, incident=found.id, limit=TEXTS)
        return _shown(zone, found) | {
            "timeline": actions.history(connection, found.id),
            "actions": _actions(connection, found),
            "trend": trend.of(connection, found, health.clock(connection)),
            "jobs": [job_name(each.job_id) for each in late],
            "texts": [visible.text(each, who) for each in texts],
        }


@router.get("/incidents/{id}/jobs", response_model=answers.LateJobs)
def jobs(
    app_state: TheAppState,
    who: Who,
    incident: Named,
    order: Annotated[requests.LateOrder, Query(description="What they are sorted by.")] = "deadline",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> dict[str, Any]:
    """List all jobs that were late in an incident."""
    if order == "name" and not who.sees_payloads:
        raise Problem(403, "names are in payloads: to sort by them needs a badge that may see payloads")
    skip = cursor or 0
    with app_state.reading() as connection:
        found, now = actions.get(connection, incident), health.clock(connection)
        rows = late_jobs.page(connection, found, now, order=order, limit=limit, skip=skip)
    shown = [
        {
            "job": job_name(each.job_id),
            "key": each.key,
            "name": each.name if who.sees_payloads else visible.hidden(each.name),
            "status": each.status,
            "deadline": each.deadline,
            "late_seconds": each.late_seconds,
        }
        for each in rows
    ]
    more = skip + limit < found.late_jobs
    return {"jobs": shown, "total": found.late_jobs, "next": str(skip + limit) if more else None}


@router.post("/incidents/{id}/comments", status_code=201, response_model=answers.Incident)
def comment(app_state: TheAppState, who: Who, incident: Named, wanted: requests.Comment) -> dict[str, Any]:
    """Say something about an incident, for its history."""
    with app_state.writing() as connection:
        found = actions.comment(connection, incident, who.actor, wanted.text, health.clock(connection))
        audit.write(connection, [who.act(found.name, status=201)])
        return _shown(app_state.settings.zone, found)


@router.post("/incidents/{id}/ack", response_model=answers.Incident)
def acknowledge(
    app_state: TheAppState, who: Who, incident: Named, wanted: Reasoned | None = None
) -> dict[str, Any]:
    """Say that somebody is at it: nobody else is called for a while."""
    reason = wanted.reason if wanted else None
    with app_state.writing() as connection:
        limits, now = thresholds.limits(connection), health.clock(connection)
        found = actions.acknowledge(connection, incident, who.actor, now, limits, reason)
        if found.state != "acknowledged":
            raise Problem(409, f"{found.name} is {found.state}: there is nothing to take on")
        audit.write(connection, [who.act(found.name, reason=reason)])
        return _shown(app_state.settings.zone, found)


@router.post("/incidents/{id}/resolve", response_model=answers.Incident)
def resolve(
    app_state: TheAppState, who: Who, incident: Named, wanted: Reasoned | None = None
) -> dict[str, Any]:
    """Say that it is over."""
    reason = wanted.reason if wanted else None
    with app_state.writing() as connection:
        found = actions.resolve(connection, incident, who.actor, reason, health.clock(connection))
        if found.state != "resolved":
            raise Problem(409, f"{found.name} is {found.state}: nobody knows of it yet")
        audit.write(connection, [who.act(found.name, reason=reason)])
        return _shown(app_state.settings.zone, found)


@router.get("/silences", response_model=answers.Silences)
def find_silences(app_state: TheAppState) -> dict[str, Any]:
    """The silences that hold or are to come."""
    with app_state.reading() as connection:
        return {"silences": silences.find(connection, health.clock(connection))}


@router.post("/silences", status_code=201, response_model=answers.Silence)
def silence(app_state: TheAppState, who: Who, wanted: requests.Silence) -> Any:
    """Have new incidents call nobody for a while; what is measured and recorded stays the same."""
    with app_state.writing() as connection:
        found = silences.silence(
            connection,
            wanted.rule,
            wanted.queue,
            wanted.starts_at or health.clock(connection),
            wanted.ends_at,
            wanted.reason,
            who.actor,
        )
        detail = {"rule": found.rule, "queue": found.queue, "endsAt": found.ends_at.isoformat()}
        act = who.act(f"silence-{found.id}", status=201, reason=wanted.reason, detail=detail)
        audit.write(connection, [act])
    return found


@router.post("/silences/{id}/end", response_model=answers.Silence)
def end_silence(app_state: TheAppState, who: Who, number: SilencePath, wanted: Reasoned | None = None) -> Any:
    """End a silence before its time, or call off one to come."""
    with app_state.writing() as connection:
        found = silences.end(connection, number, who.actor)
        audit.write(connection, [who.act(f"silence-{found.id}", reason=wanted.reason if wanted else None)])
    return found


@router.get("/thresholds", response_model=answers.Thresholds)
def find_thresholds(app_state: TheAppState) -> dict[str, Any]:
    """What each rule compares with."""
    with app_state.reading() as connection:
        return {"thresholds": thresholds.overview(connection)}


@router.put("/thresholds/{rule}/{parameter}", response_model=answers.Threshold)
def set_threshold(
    app_state: TheAppState, who: Who, rule: WordPath, parameter: WordPath, wanted: requests.SetThreshold
) -> Any:
    """Set a parameter of a rule, for one queue or for all; null goes back to the default."""
    with app_state.writing() as connection:
        found = thresholds.set_threshold(
            connection, rule, parameter, wanted.value, wanted.queue, who.actor, wanted.reason
        )
        detail = {"value": wanted.value, "queue": wanted.queue}
        audit.write(connection, [who.act(f"{rule}.{parameter}", reason=wanted.reason, detail=detail)])
    return found


@router.get("/oncall", response_model=answers.OnCall)
def on_call(app_state: TheAppState, who: Who) -> dict[str, Any]:
    """The on-call document in force, and who is on call now."""
    with app_state.reading() as connection:
        found = oncall.in_force(connection)
        return _on_call(connection, found, phones=who.sees_phones)


@router.put("/oncall", response_model=answers.OnCall)
def set_on_call(app_state: TheAppState, who: Who, wanted: requests.SetOnCall) -> dict[str, Any]:
    """Put another on-call document in force."""
    with app_state.writing() as connection:
        found = oncall.set_document(
            connection, wanted.document, who.actor, wanted.reason, str(app_state.settings.zone)
        )
        audit.write(connection, [who.act(f"oncall-{found.id}", reason=wanted.reason)])
        return _on_call(connection, found, phones=True)


def _on_call(connection: Connection, found: oncall.OnCall | None, *, phones: bool) -> dict[str, Any]:
    document = dict(found.document if found else oncall.DEFAULT)
    now = health.clock(connection)
    policy = oncall.on_call(document, now)
    coming = coverage.spans(document, now, now + timedelta(days=7))
    local = heartbeats.sender_is_local(connection)
    doubt = doubts.doubt(document if found else None, now, sender_is_local=local)
    if not phones:
        recipients = document["recipients"].items()
        document["recipients"] = {name: visible.phone(number) for name, number in recipients}
    return {
        "document": document,
        "setBy": found and found.set_by,
        "setAt": found and found.set_at,
        "reason": found and found.reason,
        "zone": str(oncall.zone(document)),
        "now": [
            {
                "afterMinutes": step.after.total_seconds() / 60,
                "recipients": [each.name for each in step.recipients],
            }
            for step in policy
        ],
        "gaps": [gap.document() for gap in coverage.gaps(document)],
        "uncovered": [{"since": since, "until": until} for since, until in coming],
        "doubt": doubt,
    }


def _shown(zone: tzinfo, found: Incident) -> dict[str, Any]:
    values = {name: getattr(found, name) for name in _FIELDS}
    return values | {
        "title": wording.title(found.rule),
        "sentence": wording.sentence(found, zone),
        "stage": stages.STAGES.get(found.rule),
        "advice": wording.why(found, zone),
    }


def _actions(connection: Connection, found: Incident) -> list[dict[str, Any]]:
    """What people did to the queue of an incident, from an hour before it on, newest first."""
    if found.queue is None:
        return []
    wanted = audit.Wanted(subject=found.queue, since=found.active_at - BEFORE, until=found.resolved_at)
    acts = audit.find(connection, wanted, limit=ACTIONS)
    return [
        {
            "at": each.at,
            "who": each.actor,
            "action": each.action,
            "reason": each.reason,
            "detail": each.detail,
        }
        for each in acts
        if each.status < 400
    ]


_SAID = ("title", "sentence", "stage", "advice")
_FIELDS = tuple(name for name in answers.Incident.model_fields if name not in _SAID)
