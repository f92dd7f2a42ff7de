"""What people text back, and what it does."""

from __future__ import annotations

from datetime import timedelta

import psycopg2.extensions
import pytest
import sqlalchemy as sa

from hms_oms.database import health
from hms_oms.messages import delivery, outbox
from hms_oms.messages.records import Answer, OutgoingText
from hms_ops.incidents import actions
from hms_ops.oncall import oncall
from hms_ops.paging import replies

RawConnection = psycopg2.extensions.connection
ANN, BOB, STRANGER = "+12025550142", "+12025550143", "+12025550199"


class People:
    """Ann and Bob are on call; texts are handed over, and answered."""

    def __init__(self, engine: sa.Engine, raw: RawConnection) -> None:
        self.engine = engine
        self.raw = raw
        with engine.begin() as connection:
            document = {
                "timezone": "UTC",
                "recipients": {"ann": ANN, "bob": BOB},
                "steps": [{"after_minutes": 0, "notify": ["ann"]}],
            }
            oncall.set_document(connection, document, "test", None)

    def incident(self, reference: str, *phones: str) -> int:
        """An open incident about which these phones were texted."""
        with self.engine.begin() as connection:
            number = connection.execute(
                sa.text(
                    "insert into ops.incidents (rule, subject, state, reference, active_at, last_true_at)"
                    " values ('late', :reference, 'open', :reference, oms.now(), oms.now()) returning id"
                ),
                {"reference": reference},
            ).scalar_one()
            for phone in phones:
                outbox.put_page(
                    connection,
                    token=f"{reference}:{phone}",
                    incident=number,
                    kind="page",
                    reference=reference,
                    recipient=phone,
                    body=f"HMS #{reference}",
                )
        waiting = delivery.waiting_pages(self.raw, 100)
        taken = delivery.begin(self.raw, [OutgoingText(text.id, text.fence) for text in waiting], "log")
        delivery.answered(self.raw, [Answer(text.id, text.fence, "delivered", "delivered") for text in taken])
        return int(number)

    def text(self, phone: str, body: str) -> str:
        """Text something and return the answer."""
        with self.engine.begin() as connection:
            return replies.reply(connection, phone, body, health.clock(connection))

    def state(self, number: int) -> tuple[str, str | None]:
        """How an incident stands, and who said so."""
        with self.engine.connect() as connection:
            incident = actions.get(connection, number)
            return incident.state, incident.resolved_by or incident.acknowledged_by


@pytest.fixture
def people(engine: sa.Engine, raw: RawConnection) -> People:
    """Ann and Bob."""
    return People(engine, raw)


@pytest.mark.parametrize(
    "body", ["ACK K7", "ack k7", ' "Ack  #K7." ', "K7 ack", "ok", "a", "ACK ALL", "acknowledge k7!"]
)
def test_an_incident_is_acknowledged_by_text(people: People, body: str) -> None:
    """In any case, with quotes and signs, by name or as the only one, under the person's own name."""
    number = people.incident("K7", ANN)
    assert people.text(ANN, body) == "HMS: acknowledged #K7. CLOSE and the name ends one."
    assert people.state(number) == ("acknowledged", "ann")


def test_an_incident_is_closed_by_text(people: People) -> None:
    """CLOSE resolves the incident that it names and no other."""
    first, second = people.incident("K7", ANN), people.incident("K8", ANN)
    assert people.text(ANN, "close k8") == "HMS: closed #K8."
    assert people.state(first) == ("open", None)
    assert people.state(second) == ("resolved", "ann")


def test_all_are_acknowledged_at_once(people: People) -> None:
    """ACK ALL takes on whatever this phone was texted about, and nothing else."""
    mine = [people.incident(f"K{n}", ANN) for n in range(3)]
    other = people.incident("K9", BOB)
    assert people.text(ANN, "Ack all") == "HMS: acknowledged #K0, #K1, #K2. CLOSE and the name ends one."
    assert {people.state(number) for number in mine} == {("acknowledged", "ann")}
    assert people.state(other) == ("open", None)


def test_what_is_not_clear_is_asked(people: People) -> None:
    """Which one, where there are several; and what is open, where the name is unknown or somebody else's."""
    assert people.text(ANN, "ack") == ""
    people.incident("K7", ANN)
    people.incident("K8", ANN)
    people.incident("K9", BOB)
    assert people.text(ANN, "ack") == "HMS: which one? #K7, #K8."
    assert people.text(ANN, "ack k9") == "HMS: #K9 is not an open incident of yours. Open: #K7, #K8."
    people.text(ANN, "ack all")
    people.text(ANN, "close k7")
    people.text(ANN, "close k8")
    assert people.text(ANN, "ack") == "HMS: none of your incidents is open."


def test_strangers_get_no_answer(people: People) -> None:
    """Anyone who was never paged cannot do anything, and is not told anything."""
    number = people.incident("K7", ANN)
    assert [people.text(STRANGER, body) for body in ("ack k7", "help", "hello")] == ["", "", ""]
    assert people.state(number) == ("open", None)


def test_stop_and_start(people: People) -> None:
    """STOP holds for anybody and is left to the provider to confirm; START takes it back."""
    people.incident("K7", ANN)
    assert (people.text(ANN, "Stop"), people.text(STRANGER, "STOP")) == ("", "")
    with people.engine.connect() as connection:
        assert set(connection.scalars(sa.text("select phone from oms.opt_outs"))) == {ANN, STRANGER}
    assert people.text(ANN, "start") == "HMS: texts to this phone are on again."
    assert people.text(ANN, "start") == ""
    with people.engine.connect() as connection:
        assert connection.scalars(sa.text("select phone from oms.opt_outs")).all() == [STRANGER]


def test_two_machines_do_not_talk_all_night(people: People, engine: sa.Engine) -> None:
    """What nobody understands gets help five times an hour; what is understood is always answered."""
    people.incident("K7", ANN)
    help_text = replies.help_for(["K7"])
    answers = [people.text(ANN, "I am driving and cannot answer.") for _ in range(7)]
    assert answers[:4] + answers[5:] == [help_text] * 4 + [""] * 2
    assert answers[4] == f"{help_text} Only ACK and the name is answered for an hour now."
    assert people.text(ANN, "help") == help_text
    with engine.begin() as connection:
        connection.execute(sa.text("update public.clock set shift = shift + :by"), {"by": timedelta(hours=1)})
    assert people.text(ANN, "I am driving") == help_text
    number = people.incident("M4", BOB)
    assert [people.text(BOB, "Liked \u201cHMS #M4: Reply ACK M4.\u201d") for _ in range(6)][5] == ""
    assert (
        people.text(BOB, "ok ackM4, thanks\n--\nBob") == "HMS: acknowledged #M4. CLOSE and the name ends one."
    )
    assert people.state(number) == ("acknowledged", "bob")


def test_each_answer_is_one_text(people: People) -> None:
    """However many are open, an answer fits one segment."""
    for number in range(20):
        people.incident(f"K{number:02}", ANN)
    for body in ("help", "ack", "ack k99", "ack or close", "not ack", "ack all"):
        answer = people.text(ANN, body)
        assert 0 < len(answer) <= 160
        assert answer.isascii()
