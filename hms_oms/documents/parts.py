"""Parts of a job's steps, and the jobs that they start."""

from __future__ import annotations

from dataclasses import dataclass

from hms_oms.documents.document import Document
from hms_oms.documents.events import TimedEvent


@dataclass(frozen=True, slots=True)
class Part(Document):
    """One part of a step, with all that happened to it, oldest first.

    `part` counts from 0; it is called by its `name`, as `3 of 12`, or by that of its branch.
    """

    id: str
    part: int
    name: str
    status: str
    attempt: int
    failures: int
    worker: str | None
    timeline: tuple[TimedEvent, ...]


@dataclass(frozen=True, slots=True)
class StepInParts(Document):
    """A step in parts: how many there are, and how many of them are in each status.

    `shown` are up to 50 of them, in order: those that failed first of all, then those that run, and the
    others after them. `GET /jobs?parent=` lists all.
    """

    step: str
    parts: int
    waiting: int
    queued: int
    running: int
    done: int
    failed: int
    cancelled: int
    shown: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class ChildJob(Document):
    """A job that a step has started. `id` is None until then, or if `fault` says why not."""

    id: str | None
    type: str
    status: str | None
    outcome: str | None
    fault: str | None
