"""`hms job explain`: the facts of a case, as sentences that a person reads from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from hms_floor.presentation.explanation import Case
from hms_floor.presentation.jobs import awaiting_words
from hms_floor.presentation.jobs.phrases import by, lasting
from hms_oms.jobs.queries.explain import Standing
from hms_oms.jobs.records import Event
from hms_oms.runtime import format
from hms_ops.forecast import order_words


def sentences(case: Case) -> Iterator[str]:
    """Why the job is where it is, the most telling first."""
    job = case.standing.job
    tell = {"waiting": _waiting, "queued": _queued, "running": _running}.get(job.status, _ended)
    yield from tell(case)
    yield from _lost(case)
    if job.part is not None:
        yield f"It is part {job.part + 1:,} of that step of job-{job.parent_id}."
    if job.finished_at is None:
        yield from _steered(case)
    if job.status != "cancelled":
        yield _deadline(case)
    yield from _removed(case)


def _removed(case: Case) -> Iterator[str]:
    """What retention has taken from the job."""
    erased = case.standing.job.erased_at
    if erased is not None:
        yield f"Its personal data was erased on {format.day(erased, case.zone)} by retention."
    if not case.standing.event_log:
        yield "Its event log was removed by retention."


def _waiting(case: Case) -> Iterator[str]:
    standing, job = case.standing, case.standing.job
    if job.event is not None or standing.parts is not None or standing.awaits_jobs:
        yield from _awaiting(case)
        return
    if job.held_at is not None:
        yield from _held(case)
        return
    state = "ready" if job.ready_at is None or job.ready_at <= standing.now else "delayed"
    since = lasting(job.since, standing.now)
    yield f"{job.name} has been {state} in {job.queue} {since}, for {_place(case)}."
    yield from _paused(case)
    if job.ready_at is not None:
        yield from _not_yet(case)
        return
    if standing.limit_at_once is not None or standing.limit_starts is not None:
        yield from awaiting_words.for_others(standing)
        return
    if job.failures:
        yield f"It is to be tried again: {_failure(case)}."
    if standing.position == 1:
        yield f"It is the next of {standing.backlog:,} in the backlog."
    elif standing.position is not None:
        ahead = standing.position - 1
        number = "1 is ahead of it" if ahead == 1 else f"{ahead:,} are ahead of it"
        why = "" if standing.given_up else ", by priority or an earlier deadline"
        yield f"It is number {standing.position:,} of {standing.backlog:,} in the backlog: {number}{why}."
    yield from _given_up(case)
    if case.by_agent:
        yield "The step is an agent's: it waits until one reserves it."
        return
    yield from _workers(case)
    if standing.starts_per_minute is not None:
        yield f"The queue may start {standing.starts_per_minute:,} jobs a minute, and no more."
    live = standing.slots - standing.slots_lost
    size = 2 * live if standing.window_size is None else standing.window_size
    if standing.window_size == 0:
        yield "The queue's window is set to 0, so nothing is handed out."
        yield f"Give it room with: hms queue limit {job.queue} --window none"
    elif size and standing.queued >= size:
        yield (
            f"The window is full: {standing.queued:,} jobs stand in front of the {live:,} slots of the"
            " workers, and it gets its turn when there is room."
        )


def _given_up(case: Case) -> Iterator[str]:
    job = case.standing.job
    if not case.standing.given_up:
        return
    done, until = order_words.put_off(case.plan)
    yield f"It was {done} {_at(case, job.given_up_at)}, and is {until} of {job.queue}."
    if case.plan is not None:
        yield f"{order_words.because(case.plan)}."
    yield f"Put it in front of all others with: hms job promote {job.name}"


def _held(case: Case) -> Iterator[str]:
    """Who has asked the applicant, and what lets the job go on."""
    standing, job = case.standing, case.standing.job
    yield (
        f"{job.name} has been held {lasting(job.since, standing.now)} until the applicant answers, for"
        f" {_place(case)}: its clock stands."
    )
    asked = _last(standing, "held")
    if asked is not None:
        yield f"{by(asked, 'held it', standing.now)}."
    yield f"When the answer is there, let it go on with: hms job answer {job.name}"


def _awaiting(case: Case) -> Iterator[str]:
    """What the job waits for while nobody works on itself."""
    since = lasting(case.standing.job.since, case.standing.now)
    if case.standing.awaits_jobs:
        yield from awaiting_words.for_jobs(case.standing, case.child_jobs, since, _place(case))
    elif case.standing.parts is not None:
        yield from awaiting_words.for_parts(case.standing, since, _place(case))
    else:
        yield from _for_event(case)
    if not case.dispatcher:
        yield "No dispatcher is running: `hms up` or `hms act run` starts one."


def _for_event(case: Case) -> Iterator[str]:
    standing, job = case.standing, case.standing.job
    yield (
        f"{job.name} has been waiting for the event {job.event} {lasting(job.since, standing.now)}, in"
        f" {_place(case)}."
    )
    yield f"Let it go on with: hms job signal {job.name} {job.event}"
    follows = case.step.on_timeout if case.step is not None else None
    if job.ready_at is not None and follows is not None:
        words = {"fail": "the job fails", "continue": "it goes on"}.get(follows, f"it goes on with {follows}")
        yield f"If the event has not come by {_at(case, job.ready_at)}, {words}."


def _queued(case: Case) -> Iterator[str]:
    standing, job = case.standing, case.standing.job
    others = standing.queued - 1
    beside = f", with {others:,} others" if others > 1 else ", with 1 other" if others else ""
    yield (
        f"{job.name} has been handed out {lasting(job.since, standing.now)}, for {_place(case)}: its ticket"
        f" stands in front of the workers of {job.queue}{beside}."
    )
    yield from _paused(case)
    yield from _workers(case)


def _running(case: Case) -> Iterator[str]:
    standing, job = case.standing, case.standing.job
    whom = f"agent {job.worker}" if case.by_agent else f"worker {job.worker}"
    yield f"{job.name} has been running on {whom} {lasting(job.since, standing.now)}, in {_place(case)}."
    if case.lease_until is not None:
        left = case.lease_until >= standing.now
        yield (
            f"Its lease {'holds until' if left else 'ran out at'} {_at(case, case.lease_until)};"
            f" {'then it' if left else 'it'} goes back to the backlog."
        )
    last = job.progress
    if last is not None:
        yield f"Its progress is {format.progress(last.share, last.note, last.at, standing.now)}."
    if job.failures:
        yield f"It is being tried again: {_failure(case)}."
    asked = _last(standing, "cancel asked")
    if asked is not None:
        yield f"{by(asked, 'asked to cancel it', standing.now)}: it ends when the step does."
    if standing.paused_at is not None:
        yield from _paused(case)


def _ended(case: Case) -> Iterator[str]:
    standing, job = case.standing, case.standing.job
    at = _at(case, job.finished_at)
    if job.status == "done":
        yield f"{job.name} is done since {at}{f', with the outcome {job.outcome}' if job.outcome else ''}."
    elif job.status == "failed":
        yield f"{job.name} failed at {at}, in {_place(case)}: {_failure(case)}."
        yield f"Have it tried again from that step with: hms job retry {job.name}"
    else:
        yield f"{job.name} is cancelled since {at}, in {_place(case)}."
        asked = _last(standing, "cancel asked") or _last(standing, "cancelled")
        if asked is not None:
            yield f"{by(asked, 'cancelled it', standing.now)}."
        if case.replaced_by is not None:
            yield f"{case.replaced_by} has its key now, so it stays cancelled."
        else:
            yield f"Have it done after all, from that step, with: hms job reinstate {job.name}"


def _not_yet(case: Case) -> Iterator[str]:
    standing, job = case.standing, case.standing.job
    due = job.ready_at is not None and job.ready_at <= standing.now
    until = _at(case, job.ready_at)
    cause = next(
        (
            line
            for line in reversed(standing.event_log)
            if line.fact in ("retrying", "delayed", "accepted", "sleeping")
        ),
        None,
    )
    if cause is not None and cause.fact == "retrying":
        yield f"It is tried again {'since' if due else 'at'} {until}: {_failure(case)}."
    elif cause is not None and cause.fact == "sleeping":
        yield f"It may not start before {until}: so the step before it, or its recipe, says."
    elif cause is not None and cause.fact == "delayed":
        yield f"It may not start before {until}: {by(cause, 'delayed it', standing.now)}."
    else:
        yield f"It may not start before {until}: so it was asked for when it was accepted."
    if due:
        yield "That time has come: it joins the backlog as soon as the dispatcher looks."
    yield from _workers(case)


def _workers(case: Case) -> Iterator[str]:
    queue = case.standing.job.queue
    if case.by_agent:
        return
    if not case.standing.slots:
        yield f"No live worker serves {queue}: start one with `hms up`, or: celery -A workers worker"
    elif case.standing.slots_lost:
        slots = format.slots(case.standing.slots, case.standing.slots_lost)
        yield f"The workers of {queue} have {slots}; a worker with steps that hang ends, to be replaced."
    if case.standing.held_hosts:
        yield f"Nothing more is started on {', '.join(case.standing.held_hosts)}."
    if not case.dispatcher:
        yield "No dispatcher is running: `hms up` or `hms act run` starts one."
    if case.refused is not None:
        yield f"Nothing is handed out: Redis {case.refused}."


def _paused(case: Case) -> Iterator[str]:
    standing = case.standing
    if standing.paused_at is not None:
        why = f": {standing.pause_reason}" if standing.pause_reason else ""
        since = _at(case, standing.paused_at)
        yield f"{standing.job.queue} is paused by {standing.paused_by} since {since}{why}."
        yield f"Nothing starts there until: hms queue resume {standing.job.queue}"


def _lost(case: Case) -> Iterator[str]:
    standing = case.standing
    losses = standing.losses
    if losses:
        last = losses[-1]
        often = "once" if len(losses) == 1 else f"{len(losses):,} times, the last time"
        why = (last.detail or {}).get("reason")
        yield (
            f"It was taken back and resumed {often} {format.relative(last.at, standing.now)}, in step"
            f" {standing.job.steps[last.step]}{f': {why}' if why else ''}."
        )


def _steered(case: Case) -> Iterator[str]:
    words = {"promoted": "promoted it", "reprioritized": "changed its priority", "moved": "moved it"}
    words |= {"answered": "let it go on after the applicant's answer"}
    words |= {"revived": "had it tried again", "reinstated": "had it done after all"}
    for fact, did in words.items():
        line = _last(case.standing, fact)
        if line is not None:
            yield f"{by(line, did, case.standing.now)}."


def _deadline(case: Case) -> str:
    standing, job = case.standing, case.standing.job
    word = "was" if job.finished_at or (job.sla < standing.now and job.held_at is None) else "is"
    sentence, _ = format.deadline(job.sla, job.finished_at, job.status, case.zone, standing.now, job.held_at)
    return f"Its deadline {word} {sentence}."


def _place(case: Case) -> str:
    job = case.standing.job
    return f"step {job.step_name} ({job.step + 1} of {len(job.steps)})"


def _failure(case: Case) -> str:
    job = case.standing.job
    error: Any = job.error or {}
    said = f"{error.get('type', 'error')}: {error.get('message', '')}".removesuffix(": ").rstrip(".")
    if not job.failures:
        return said
    of = f" of {case.attempts}" if case.attempts else ""
    return f"failure {job.failures}{of} was {said}"


def _last(standing: Standing, fact: str) -> Event | None:
    return next((line for line in reversed(standing.event_log) if line.fact == fact), None)


def _at(case: Case, when: datetime | None) -> str:
    return "" if when is None else format.local_and_relative(when, case.zone, case.standing.now)
