"""Would a text reach a person now? Doubts about the on-call document, in words."""

from __future__ import annotations

from datetime import datetime

from hms_ops import coverage, oncall
from hms_ops.fiction import is_fictitious
from hms_ops.oncall import Document

NOBODY_REAL = "nobody real is on call"


def has_anybody_real(document: Document | None) -> bool:
    """Whether a document names at least one phone that may belong to somebody."""
    return document is not None and not all(map(is_fictitious, document["recipients"].values()))


def doubt(document: Document | None, now: datetime, *, sender_is_local: bool) -> str | None:
    """Why a text of `now` would reach nobody; None if it may reach somebody."""
    if document is None:
        return f"{NOBODY_REAL}: no on-call document is set"
    recipients = [each for step in oncall.on_call(document, now) for each in step.recipients]
    if not recipients:
        covered = coverage.next_cover(document, now)
        return f"nobody is on call: no shift covers this hour{_from(document, covered)}"
    if all(is_fictitious(each.phone) for each in recipients):
        names = ", ".join(dict.fromkeys(each.name for each in recipients))
        return f"{NOBODY_REAL}: the numbers of {names} are kept for fiction"
    if sender_is_local:
        return f"{NOBODY_REAL}: texts stay on this machine (HMS_SENDER is log)"
    return None


def _from(document: Document, covered: tuple[datetime, tuple[str, ...]] | None) -> str:
    if covered is None:
        return ", nor any other"
    begins, names = covered
    return f"; {', '.join(names)} from {begins.astimezone(oncall.zone(document)):%a %H:%M %Z} on"
