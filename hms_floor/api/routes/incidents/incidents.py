"""Incidents with their comments, silences, thresholds and the on-call document."""

from __future__ import annotations

from datetime import timedelta, tzinfo
from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy import Connection

from hms_floor.api.access import visible
from hms_floor.api.access.guard import Guarded, Who
from hms_floor.api.app_state import TheAppState
from hms_floor.api.requests import requests
from hms_floor.api.requests.requests import Cursor, IncidentRef, Limit, QueueName, Reasoned
from hms_floor.api.requests.zones import Zone
from hms_floor.api.responses import Incidents, LateJobs, Silences, Thresholds, next_page
from hms_floor.api.transport.problems import Problem
from hms_oms.access import audit
from hms_oms.database import health
from hms_oms.jobs import commands
from hms_oms.jobs.tickets import job_name
from hms_oms.messages import outbox
from hms_ops import heartbeats
from hms_ops.documents.calling import EscalationStep, OnCall, Silence, Span, Threshold
from hms_ops.documents.incidents import Action, Incident, IncidentWithTimeline, LateJob
from hms_ops.incidents import actions, silences, stages, store, thresholds, wording
from hms_ops.incidents.actions import STATES
from hms_ops.incidents.impact import late_jobs, trend
from hms_ops.oncall import coverage, doubts, oncall, turns

router = APIRouter(route_class=Guarded, tags=["incidents"])

#: So many of its texts are shown with an incident.
TEXTS = 100
#: So many actions of people are, from so long before it began.
ACTIONS = 100
BEFORE = timedelta(hours=1)

Named = Annotated[IncidentRef, Path(alias="id", description="Its number, or its reference.", examples=["K7"])]
SilencePath = Annotated[int, Path(alias="id", ge=1, le=2**63 - 1)]
WordPath = Annotated[str, Path(pattern="^[a-z][a-z_-]{0,60}$")]


@router.get("/incidents")
def find(
    app_state: TheAppState,
    zone: Zone,
    state: Annotated[list[requests.IncidentState], Query(description="All, where none is named.")] = [],  # noqa: B006
    queue: Annotated[QueueName | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Incidents:
    """List incidents, newest first."""
    with app_state.reading() as connection:
        if queue is not None:
            commands.require_queue(connection, queue)
        page = actions.find(connection, state or STATES, queue, limit=limit, after=cursor)
    return Incidents(tuple(_shown(zone, incident) for incident in page), next_page(page, limit))


@router.get("/incidents/{id}")
def get(app_state: TheAppState, who: Who, zone: Zone, incident: Named) -> IncidentWithTimeline:
    """Everything about one incident."""
    with app_state.reading() as connection:
        current = actions.get(connection, incident)
        texts = outbox.texts_of(connection, incident=current.id, limit=TEXTS)
        return IncidentWithTimeline.of(
            _shown(zone, current),
            timeline=tuple(actions.history(connection, current.id)),
            actions=_actions(connection, current),
            trend=tuple(trend.of(connection, current, health.clock(connection))),
            jobs=tuple(job_name(late.job_id) for late in late_jobs.of(connection, current)),
            texts=tuple(visible.text(text, who) for text in texts),
        )


@router.get("/incidents/{id}/jobs")
def jobs(
    app_state: TheAppState,
    who: Who,
    incident: Named,
    order: Annotated[requests.LateOrder, Query(description="What they are sorted by.")] = "deadline",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> LateJobs:
    """List all jobs that were late in an incident."""
    if order == "name" and not who.sees_payloads:
        raise Problem(403, "names are in payloads: to sort by them needs a badge that may see payloads")
    skip = cursor or 0
    with app_state.reading() as connection:
        current, now = actions.get(connection, incident), health.clock(connection)
        rows = late_jobs.page(connection, current, now, order=order, limit=limit, skip=skip)
    shown = tuple(
        LateJob.of(
            row,
            job=job_name(row.job_id),
            name=row.name if who.sees_payloads else visible.hidden(row.name),
        )
        for row in rows
    )
    more = skip + limit < current.late_jobs
    return LateJobs(shown, current.late_jobs, str(skip + limit) if more else None)


@router.post("/incidents/{id}/comments", status_code=201)
def comment(app_state: TheAppState, who: Who, incident: Named, body: requests.Comment) -> Incident:
    """Comment on an incident, for its history."""
    with app_state.writing() as connection:
        changed = actions.comment(connection, incident, who.actor, body.text, health.clock(connection))
        audit.write(connection, [who.act(changed.name, status=201)])
        return _shown(app_state.settings.zone, changed)


@router.post("/incidents/{id}/ack")
def acknowledge(app_state: TheAppState, who: Who, incident: Named, body: Reasoned | None = None) -> Incident:
    """Acknowledge an incident: nobody else is called for a while."""
    reason = body.reason if body else None
    with app_state.writing() as connection:
        limits, now = thresholds.limits(connection), health.clock(connection)
        changed = actions.acknowledge(connection, incident, who.actor, now, limits, reason)
        if changed.state != "acknowledged":
            raise Problem(409, f"{changed.name} is {changed.state}: there is nothing to take on")
        audit.write(connection, [who.act(changed.name, reason=reason)])
        return _shown(app_state.settings.zone, changed)


@router.post("/incidents/{id}/resolve")
def resolve(app_state: TheAppState, who: Who, incident: Named, body: Reasoned | None = None) -> Incident:
    """Resolve an incident."""
    reason = body.reason if body else None
    with app_state.writing() as connection:
        changed = actions.resolve(connection, incident, who.actor, reason, health.clock(connection))
        if changed.state != "resolved":
            raise Problem(409, f"{changed.name} is {changed.state}: nobody knows of it yet")
        audit.write(connection, [who.act(changed.name, reason=reason)])
        return _shown(app_state.settings.zone, changed)


@router.get("/silences")
def find_silences(app_state: TheAppState) -> Silences:
    """List the silences that hold or are to come."""
    with app_state.reading() as connection:
        return Silences(tuple(silences.find(connection, health.clock(connection))))


@router.post("/silences", status_code=201)
def silence(app_state: TheAppState, who: Who, body: requests.Silence) -> Silence:
    """Have new incidents call nobody for a while; what is measured and recorded stays the same."""
    with app_state.writing() as connection:
        created = silences.silence(
            connection,
            body.rule,
            body.queue,
            body.starts_at or health.clock(connection),
            body.ends_at,
            body.reason,
            who.actor,
        )
        detail = {"rule": created.rule, "queue": created.queue, "endsAt": created.ends_at.isoformat()}
        act = who.act(f"silence-{created.id}", status=201, reason=body.reason, detail=detail)
        audit.write(connection, [act])
    return created


@router.post("/silences/{id}/end")
def end_silence(
    app_state: TheAppState, who: Who, number: SilencePath, body: Reasoned | None = None
) -> Silence:
    """End a silence before its time, or call off one to come."""
    with app_state.writing() as connection:
        ended = silences.end(connection, number, who.actor)
        audit.write(connection, [who.act(f"silence-{ended.id}", reason=body.reason if body else None)])
    return ended


@router.get("/thresholds")
def find_thresholds(app_state: TheAppState) -> Thresholds:
    """List the thresholds of the rules."""
    with app_state.reading() as connection:
        return Thresholds(tuple(thresholds.overview(connection)))


@router.put("/thresholds/{rule}/{parameter}")
def set_threshold(
    app_state: TheAppState, who: Who, rule: WordPath, parameter: WordPath, body: requests.SetThreshold
) -> Threshold:
    """Set a parameter of a rule, for one queue or for all; null goes back to the default."""
    with app_state.writing() as connection:
        threshold = thresholds.set_threshold(
            connection, rule, parameter, body.value, body.queue, who.actor, body.reason
        )
        detail = {"value": body.value, "queue": body.queue}
        audit.write(connection, [who.act(f"{rule}.{parameter}", reason=body.reason, detail=detail)])
    return threshold


@router.get("/oncall")
def on_call(app_state: TheAppState, who: Who) -> OnCall:
    """The on-call document in force, and who is on call now."""
    with app_state.reading() as connection:
        document = oncall.in_force(connection)
        return _on_call(connection, document, phones=who.sees_phones)


@router.put("/oncall")
def set_on_call(app_state: TheAppState, who: Who, body: requests.SetOnCall) -> OnCall:
    """Put another on-call document in force."""
    with app_state.writing() as connection:
        document = oncall.set_document(
            connection, body.document, who.actor, body.reason, str(app_state.settings.zone)
        )
        audit.write(connection, [who.act(f"oncall-{document.id}", reason=body.reason)])
        return _on_call(connection, document, phones=True)


def _on_call(connection: Connection, in_force: oncall.OnCall | None, *, phones: bool) -> OnCall:
    document = dict(in_force.document if in_force else oncall.DEFAULT)
    now = health.clock(connection)
    policy = oncall.on_call(document, now)
    coming = coverage.spans(document, now, now + timedelta(days=7))
    following = turns.following(document, now)
    local = heartbeats.sender_is_local(connection)
    doubt = doubts.doubt(
        document if in_force else None,
        now,
        sender_is_local=local,
        channels=heartbeats.channels(connection),
    )
    if not phones:
        recipients = document["recipients"].items()
        document["recipients"] = {
            name: visible.phone(entry) if isinstance(entry, str) else entry for name, entry in recipients
        }
    return OnCall(
        document=document,
        set_by=in_force.set_by if in_force else None,
        set_at=in_force.set_at if in_force else None,
        reason=in_force.reason if in_force else None,
        zone=str(oncall.zone(document)),
        now=tuple(
            EscalationStep(
                step.after.total_seconds() / 60, tuple(recipient.name for recipient in step.recipients)
            )
            for step in policy
        ),
        gaps=tuple(gap.document() for gap in coverage.gaps(document)),
        uncovered=tuple(Span(since, until) for since, until in coming),
        next=following.document() if following else None,
        tonight=tuple(turn.document() for turn in turns.tonight(document, now)),
        doubt=doubt,
    )


def _shown(zone: tzinfo, incident: store.Incident) -> Incident:
    return Incident.of(
        incident,
        title=wording.title(incident.rule),
        sentence=wording.sentence(incident, zone),
        stage=stages.STAGES.get(incident.rule),
        advice=wording.why(incident, zone),
    )


def _actions(connection: Connection, incident: store.Incident) -> tuple[Action, ...]:
    """Audited actions on the queue of an incident, from one hour before it on, newest first."""
    if incident.queue is None:
        return ()
    since, until = incident.active_at - BEFORE, incident.resolved_at
    matching = audit.Filter(subject=incident.queue, since=since, until=until)
    acts = audit.find(connection, matching, limit=ACTIONS)
    return tuple(Action.of(act, who=act.actor) for act in acts if act.status < 400)
