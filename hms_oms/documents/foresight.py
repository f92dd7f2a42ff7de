"""What is foreseen: of a change, of a new job, and of more workers."""

from __future__ import annotations

from dataclasses import dataclass

from hms_oms.documents.document import Document


@dataclass(frozen=True, slots=True)
class Outlook(Document):
    """How the `open` jobs of a queue will fare: `on_time` is their share, None of none; `late` jobs miss it.

    Late are those past their deadline, and those that will miss it, some because they are `given_up`.
    """

    open: int
    on_time: float | None
    late: int
    given_up: int


@dataclass(frozen=True, slots=True)
class Effect(Document):
    """What a change would do to the open jobs of a queue if nothing else changes.

    `into_risk` and `out_of_risk` name up to a hundred jobs that would be late because of it, or would
    no longer be, the nearest deadline first; their numbers are those of all of them.
    """

    queue: str
    before: Outlook
    after: Outlook
    into_risk: tuple[str, ...]
    into_risk_jobs: int
    out_of_risk: tuple[str, ...]
    out_of_risk_jobs: int
