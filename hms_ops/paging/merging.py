"""Decide which pages go to a phone now, and which of them are merged into one text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from hms_oms.messages.recipients import channel_of
from hms_oms.messages.records import OutgoingText, WaitingPage
from hms_ops.incidents import wording
from hms_ops.paging.throttle import QUIET_KINDS, Sent, free_at

Plan = tuple[list[OutgoingText], dict[int, datetime]]


def plan(waiting: Sequence[WaitingPage], sends: Mapping[str, Sequence[Sent]], now: datetime) -> Plan:
    """Plan which pages go now, and until when the others are held back.

    All that waits for a phone goes as one text when the phone's throttle lets one through. By itself goes
    what was handed over before, since its wording is fixed, and what is about no incident, as a test. The
    oldest has its turn first.
    """
    outgoing: list[OutgoingText] = []
    held: dict[int, datetime] = {}
    for phone, pages in _by_phone(waiting).items():
        gone = list(sends.get(phone, ()))
        for group in _groups(pages):
            carrier = _carrier(group)
            free = free_at(gone, now, urgent=carrier.kind not in QUIET_KINDS)
            if free > now:
                held |= {page.id: free for page in group}
                continue
            outgoing.append(_outgoing(carrier, group))
            gone.append(Sent(now, carrier.kind))
    return outgoing, held


def _by_phone(waiting: Sequence[WaitingPage]) -> Mapping[str, list[WaitingPage]]:
    phones: dict[str, list[WaitingPage]] = defaultdict(list)
    for page in waiting:
        phones[page.recipient].append(page)
    return phones


def _groups(pages: Sequence[WaitingPage]) -> list[list[WaitingPage]]:
    together = [page for page in pages if not page.handed_over and page.reference is not None]
    alone = [[page] for page in pages if page not in together]
    groups = [*alone, together] if together else alone
    return sorted(groups, key=lambda group: (group[0].created_at, group[0].id))


def _carrier(group: Sequence[WaitingPage]) -> WaitingPage:
    """Under whose name the group goes: the news of its incident where it is one, else the first urgent."""
    if len({page.reference for page in group}) == 1:
        return group[-1]
    return next((page for page in group if page.kind not in QUIET_KINDS), group[0])


def _outgoing(carrier: WaitingPage, group: Sequence[WaitingPage]) -> OutgoingText:
    members = [(page.id, page.fence) for page in group if page is not carrier]
    # Of each incident, only the news.
    newest = {page.reference: page for page in group}
    if len(newest) == 1:
        return OutgoingText(carrier.id, carrier.fence, members)
    over = {page.reference for page in newest.values() if page.kind in QUIET_KINDS}
    by_text = channel_of(carrier.recipient) is None
    words = wording.merged([(page.reference, page.queue) for page in newest.values()], over, by_text=by_text)
    return OutgoingText(carrier.id, carrier.fence, members, words)
