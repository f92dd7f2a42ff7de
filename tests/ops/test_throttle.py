"""How many pages a phone gets, and which of them as one text: judged by what went and what waits."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import hypothesis
import pytest
from hypothesis import strategies

from hms_oms.messages.records import WaitingPage
from hms_ops.paging import merging
from hms_ops.paging.throttle import LIMITS, Rate, Sent, free_at

NOW = datetime(2026, 5, 4, 8, 0, tzinfo=UTC)


def sent(*seconds_ago: float, kind: str = "page") -> list[Sent]:
    """Pages that went so long ago."""
    return [Sent(NOW - timedelta(seconds=ago), kind) for ago in seconds_ago]


def page(number: int, kind: str = "page", **more: object) -> WaitingPage:
    """A page that waits."""
    given = {
        "reference": f"K{number}",
        "queue": f"queue-{number}",
        "handed_over": False,
        "recipient": "+12025550142",
        "created_at": NOW - timedelta(seconds=100 - number),
        **more,
    }
    return WaitingPage(
        id=number,
        fence=0,
        kind=kind,
        body=f"page {number}",
        incident=number,
        opted_out=False,
        due_at=NOW,
        now=NOW,
        **given,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("gone", "wait"),
    [
        ([], 0),
        (sent(59.0), 1),
        (sent(60.0), 0),
        (sent(70, 130, 190, 250, 310), 590),
        (sent(*range(200, 3600, 309)), 310),
        (sent(*range(900, 10800, 480)), 300),
    ],
)
def test_each_limit_says_when_the_next_may_go(gone: list[Sent], wait: float) -> None:
    """One a minute, five in fifteen minutes, eleven in an hour, twenty-one in three hours."""
    assert free_at(gone, NOW, urgent=True) == NOW + timedelta(seconds=wait)


def test_a_page_does_not_wait_out_the_minute_after_an_all_clear() -> None:
    """What says that something is over delays no page by the minute rule, but counts for the others."""
    assert free_at(sent(5, kind="resolved"), NOW, urgent=True) == NOW
    assert free_at(sent(5, kind="resolved"), NOW, urgent=False) > NOW
    assert free_at(sent(5), NOW, urgent=True) > NOW
    assert free_at(sent(5, 6, 7, 8, 9, kind="resolved"), NOW, urgent=True) > NOW


@hypothesis.given(strategies.lists(strategies.integers(0, 7200), min_size=1, max_size=60))
def test_no_phone_ever_gets_more_than_the_limits(asked: list[int]) -> None:
    """Whenever pages are asked for, what goes keeps every limit, and nothing waits forever."""
    gone: list[Sent] = []
    for second in sorted(asked):
        asking = NOW + timedelta(seconds=second)
        at = max(asking, *(text.at for text in gone)) if gone else asking
        at = free_at(gone, at, urgent=True)
        assert free_at(gone, at, urgent=True) == at
        gone.append(Sent(at, "page"))
    for span, most in LIMITS:
        for text in gone:
            assert sum(text.at - span < other.at <= text.at for other in gone) <= most


def test_what_waits_for_a_phone_goes_as_one_text() -> None:
    """The first page that something is wrong carries the others; the text counts all of them."""
    (text,), held = merging.plan([page(1, "resolved"), page(2), page(3)], {}, NOW)
    assert (text.id, text.members, held) == (2, [(1, 0), (3, 0)], {})
    assert text.carried is not None
    assert text.carried.startswith("HMS: 3 incidents")


def test_of_one_incident_only_the_news_is_told() -> None:
    """Two texts about the same incident are its newest one, in its own words."""
    older, newer = page(1), page(2, reference="K1")
    (text,), _ = merging.plan([older, newer], {}, NOW)
    assert (text.id, text.members, text.carried) == (2, [(1, 0)], None)


def test_resends_and_tests_go_by_themselves() -> None:
    """What went out in its own words, and what is about no incident, is not merged; the oldest is first."""
    waiting = [page(1, handed_over=True), page(2), page(3), page(4, "test", reference=None)]
    outgoing, held = merging.plan(waiting, {}, NOW)
    assert [text.id for text in outgoing] == [1]
    assert set(held) == {2, 3, 4}
    assert min(held.values()) == NOW + timedelta(minutes=1)


def test_the_oldest_has_its_turn_first() -> None:
    """A group is as old as its oldest page; of those that came at once the first number goes first."""
    alone = page(3, "test", reference=None)
    (first,), _ = merging.plan([page(1), alone, page(4)], {}, NOW)
    assert (first.id, first.members) == (1, [(4, 0)])
    at_once = [page(number, created_at=NOW) for number in (1, 3)]
    (first,), _ = merging.plan([*at_once, page(2, "test", reference=None, created_at=NOW)], {}, NOW)
    assert (first.id, first.members) == (1, [(3, 0)])


def test_several_ends_are_one_text_under_the_first() -> None:
    """Where nothing is urgent the oldest carries; nobody is asked to reply to what is over."""
    (text,), _ = merging.plan([page(number, "resolved") for number in (1, 2, 3)], {}, NOW)
    assert (text.id, text.members) == (1, [(2, 0), (3, 0)])
    assert text.carried == "HMS: 3 incidents over: queue-1 #K1, queue-2 #K2, queue-3 #K3."


def test_a_channel_is_not_asked_to_reply() -> None:
    """A phone is told what to answer, and a channel cannot answer."""
    (text,), _ = merging.plan([page(1), page(2)], {}, NOW)
    assert text.carried == "HMS: 2 incidents: queue-1 #K1, queue-2 #K2. Reply ACK ALL."
    (text,), _ = merging.plan([page(number, recipient="channel:ops") for number in (1, 2)], {}, NOW)
    assert text.carried == "HMS: 2 incidents: queue-1 #K1, queue-2 #K2."


def test_a_throttled_phone_holds_all_and_another_goes() -> None:
    """Each phone has its own limits."""
    waiting = [page(1), page(2)]
    outgoing, held = merging.plan(waiting, {"+12025550142": sent(10), "+12025550143": []}, NOW)
    assert (outgoing, held) == ([], {1: NOW + timedelta(seconds=50), 2: NOW + timedelta(seconds=50)})


def test_texts_to_applicants_have_a_rate() -> None:
    """Ten a second, saved up for a second at most; without a rate, any number."""
    rate = Rate(10)
    start = rate._at
    assert rate.allowed(start, 100) == 1
    rate.spend(1)
    assert rate.allowed(start + 0.5, 100) == 5
    rate.spend(5)
    assert rate.allowed(start + 60, 100) == 10
    rate.spend(10)
    assert rate.allowed(2 * (start + 60), 100) == 10
    assert Rate(None).allowed(start, 100) == 100
    slow = Rate(0.5)
    assert slow.allowed(slow._at + 60, 100) == 1
    slow.spend(1)
    assert slow.allowed(slow._at + 1, 100) == 0
    assert slow.allowed(slow._at + 1, 100) == 1
