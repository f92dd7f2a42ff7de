"""Texts, to applicants and to those on call."""

from __future__ import annotations

from dataclasses import dataclass

from hms_oms.documents.document import Document, Moment


@dataclass(frozen=True, slots=True)
class Text(Document):
    """A text and what became of it: its `fate` is its state, or that of the text it was merged into.

    A text that only the handset log of this installation has was delivered to nobody: its fate is `logged`.
    Badges that may not see payloads find phones, and what applicants were told, masked.
    """

    id: int
    kind: str
    page: bool
    incident: int | None
    job: str | None
    reference: str | None
    to: str
    body: str
    state: str
    fate: str
    merged_into: int | None
    attempts: int
    resend: bool
    sid: str | None
    fault: str | None
    created_at: Moment
    finished_at: Moment | None
