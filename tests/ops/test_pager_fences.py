"""A pager that was taken for gone changes nothing of what its successor has taken."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hms_oms.database.connections import RawConnection
from hms_oms.messages import delivery, outbox
from hms_oms.messages.records import Answer, Asked, Dispatch, OutgoingText

PHONE = "+12025550142"
Forward = Callable[[timedelta], None]


@pytest.fixture
def text(raw: RawConnection) -> OutgoingText:
    """A text to an applicant that waits in the outbox."""
    with raw:
        outbox.put(raw, token="job-1.1.1", job=None, kind="applicant", recipient=PHONE, body="Granted.")
    [waiting] = delivery.waiting_texts(raw, 1)
    return OutgoingText(waiting.id, waiting.fence)


def taken(raw: RawConnection, text: OutgoingText) -> Dispatch:
    """The text, taken for a hand-over."""
    [dispatch] = delivery.begin(raw, [text], "provider")
    return dispatch


def answer(dispatch: Dispatch, state: str, outcome: str, sid: str | None = None) -> Answer:
    """How a hand-over went."""
    return Answer(dispatch.id, dispatch.fence, state, outcome, sid)


def row(engine: sa.Engine, query: str) -> Any:
    """The one row that a query gives."""
    with engine.connect() as connection:
        return connection.execute(sa.text(query)).one()


def test_what_another_has_taken_meanwhile_is_not_sent(
    engine: sa.Engine, raw: RawConnection, text: OutgoingText
) -> None:
    """Two look at the same text; the slower one finds it waiting again, but under another fence."""
    first = taken(raw, text)
    delivery.answered(raw, [answer(first, "pending", "not sent")])
    assert delivery.begin(raw, [text], "provider") == []
    assert row(engine, "select state, attempts from oms.messages") == ("pending", 1)


def test_a_late_answer_changes_neither_text_nor_attempt(
    engine: sa.Engine, raw: RawConnection, text: OutgoingText, forward: Forward
) -> None:
    """Once the lease has run out the answer is its successor's to find."""
    late = taken(raw, text)
    forward(timedelta(seconds=delivery.LEASE_SECONDS + 1))
    [successor] = delivery.ended_leases(raw)
    assert delivery.answered(raw, [answer(late, "accepted", "accepted", "SM1")]) == {}
    assert row(engine, "select state, sid, fence from oms.messages") == ("sending", None, successor.fence)
    assert row(engine, "select outcome, sid, finished_at from oms.message_attempts") == (None, None, None)


def asked(raw: RawConnection) -> Asked:
    """The text that the provider is to be asked about."""
    [result] = delivery.to_ask(raw, page=False, count=1)
    return result


def test_what_was_settled_meanwhile_is_not_settled_again(
    engine: sa.Engine, raw: RawConnection, text: OutgoingText, forward: Forward
) -> None:
    """The answer to a question that another has asked since says nothing of the text as it is now."""
    delivery.answered(raw, [answer(taken(raw, text), "unknown", "unknown")])
    late = asked(raw)
    forward(timedelta(seconds=delivery.LEASE_SECONDS + 1))
    asked(raw)
    assert delivery.settle(raw, late, "pending", polls=1, resend=True) is None
    assert row(engine, "select state, resend from oms.messages") == ("unknown", False)


def test_a_sid_of_another_text_is_spoken_for(raw: RawConnection, text: OutgoingText) -> None:
    """Two texts with the same words to one phone are two: what is known to be the one is not the other."""
    first = taken(raw, text)
    delivery.answered(raw, [answer(first, "accepted", "accepted", "SM1")])
    with raw:
        outbox.put(raw, token="job-2.1.1", job=None, kind="applicant", recipient=PHONE, body="Granted.")
    [waiting] = delivery.waiting_texts(raw, 1)
    second = taken(raw, OutgoingText(waiting.id, waiting.fence))
    assert delivery.claimed(raw, second, ["SM1", "SM2"]) == {"SM1"}
    assert delivery.claimed(raw, first, ["SM1", "SM2"]) == set()


def test_a_token_is_one_text_ever(engine: sa.Engine, raw: RawConnection, text: OutgoingText) -> None:
    """Put again after it has gone, it does not go again."""
    delivery.answered(raw, [answer(taken(raw, text), "accepted", "accepted", "SM1")])
    with raw:
        outbox.put(raw, token="job-1.1.1", job=None, kind="applicant", recipient=PHONE, body="Granted.")
    assert row(engine, "select state, sid from oms.messages") == ("accepted", "SM1")
    assert delivery.waiting_texts(raw, 10) == []


def test_lost_answers_are_asked_for_before_arrivals(
    engine: sa.Engine, raw: RawConnection, text: OutgoingText, forward: Forward
) -> None:
    """A text that may not have gone waits for none that has, however long those have been due."""
    ids = {}
    for number, state in enumerate(("accepted", "sent", "unknown")):
        token = f"job-{number}.2.1"
        with raw:
            outbox.put(raw, token=token, job=None, kind="applicant", recipient=PHONE, body="Granted.")
        waiting = next(other for other in delivery.waiting_texts(raw, 10) if other.id != text.id)
        ids[state] = waiting.id
        dispatch = taken(raw, OutgoingText(waiting.id, waiting.fence))
        delivery.answered(raw, [answer(dispatch, state, state, f"SM{number}")])
        forward(timedelta(minutes=1))
    asks = [[question.text.id for question in delivery.to_ask(raw, page=False, count=2)] for _ in range(2)]
    assert [set(ask) for ask in asks] == [{ids["unknown"], ids["accepted"]}, {ids["sent"]}]
