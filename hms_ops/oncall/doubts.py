"""Doubts about the on-call document: reasons why a text may not reach anybody now."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection

from hms_oms.messages.recipients import channel_of
from hms_oms.runtime.errors import ConfigError
from hms_oms.runtime.settings import Settings
from hms_ops.oncall import coverage, oncall
from hms_ops.oncall.fictional_numbers import is_fictitious
from hms_ops.oncall.oncall import Document

NOBODY_REAL = "nobody real is on call"


def has_anybody_real(document: Document | None) -> bool:
    """Whether a document names at least one phone or channel that may belong to somebody."""
    if document is None:
        return False
    return not all(is_fictitious(oncall.phone_of(entry)) for entry in document["recipients"].values())


def require_anybody(connection: Connection, settings: Settings) -> None:
    """Raise ConfigError if texts would leave this machine, and the document in force names nobody real."""
    if settings.sender_name == "log" or settings.start_without_oncall:
        return
    document = oncall.in_force(connection)
    if not has_anybody_real(document.document if document else None):
        missing = "names fictitious numbers only" if document else "is not set"
        fault = (
            f"the {settings.sender_name} sender does not start: the on-call document {missing}, so nobody"
            " would hear of late jobs. Set one while the API runs (`hms floor run`): hms oncall set FILE;"
            " or start all the same with HMS_START_WITHOUT_ONCALL=yes"
        )
        raise ConfigError([fault])


def doubt(
    document: Document | None,
    now: datetime,
    *,
    sender_is_local: bool,
    channels: Collection[str] | None = None,
) -> str | None:
    """Reason why a text sent `now` would reach nobody; None if it may reach somebody.

    `channels` are those that the pager has, None if it was not heard. One that it does not have is a reason
    though others may be reached.
    """
    if document is None:
        return f"{NOBODY_REAL}: no on-call document is set"
    recipients = [recipient for step in oncall.on_call(document, now) for recipient in step.recipients]
    if not recipients:
        covered = coverage.next_cover(document, now)
        return f"nobody is on call: no shift covers this hour{_from(document, covered)}"
    if all(is_fictitious(recipient.phone) for recipient in recipients):
        names = ", ".join(dict.fromkeys(recipient.name for recipient in recipients))
        return f"{NOBODY_REAL}: the numbers of {names} are kept for fiction"
    named = [name for recipient in recipients if (name := channel_of(recipient.phone)) is not None]
    missing = [name for name in named if channels is not None and name not in channels]
    if missing:
        return f"the pager has no channel {', '.join(missing)}: add it by `hms oncall channel add`"
    if sender_is_local and not named:
        return f"{NOBODY_REAL}: texts stay on this machine (HMS_SENDER is log)"
    return None


def _from(document: Document, covered: tuple[datetime, tuple[str, ...]] | None) -> str:
    if covered is None:
        return ", nor any other"
    begins, names = covered
    return f"; {', '.join(names)} from {begins.astimezone(oncall.zone(document)):%a %H:%M %Z} on"
