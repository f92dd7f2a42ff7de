"""What people mean by a text: each sentence here is one that somebody may send at three in the morning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hms_ops.paging.reply_words import Act, Nothing, Question, listed, read

ONE, TWO = ("K7",), ("K7", "M4")

TAKEN = [
    *("ACK K7", "ack k7", "Ack #K7.", "K7 ack", "ok ack K7 thanks", "ackK7", "ACK#K7.", "ACKK7", "K7ack"),
    *("okK7", "k7 ok", "ok K7", "OK, K7", "okay k7", "a k7", "K7 a", "acknowledged K7!", "Acknowledge k7"),
    *("hi, ack K7 please", "Thanks! Will look now. ACK K7", "ack k7\n--\nAnn Lee\nNot an official answer"),
    *("ack k7\nAnn Lee, Ops Manager", "ACK K7\n\nSent from my iPhone", "acked K7", "acking k7 now"),
    *("Got the page and I ack K7", "ack (K7)", "ack: K7", '"ack K7"', "\u201cAck K7\u201d", "*ack* _K7_"),
    *("ack  \n K7", "ＡＣＫ Ｋ７", "ack incident K7", "ACK K7 ACK K7", "ok, ack k7", "roger K7", "on it K7"),
    *("I'm on it, K7", "i\u2019m on it k7", "ack K7, no problem", "No worries, ack K7", "ack-K7", "ack/K7"),
    *("ack K7 all good here", "ack K7\n> HMS #M4 is late, not done", "yes ack K7", "ack K7 no idea why"),
]
ALONE = [
    *("ack", "Ack!", "ok", "OK.", "ok thanks", "a", "acknowledged", "ack thanks", "on it", "I'm on it"),
    *("ok will look", "thanks, ack", "roger", "acking now", "ack will look now"),
]
ASKED = [
    *("don't ack K7", "dont ack k7", "do not ack K7", "not acking K7", "I'm not acking K7", "no ack K7"),
    *(
        "can't ack K7 now",
        "cannot acknowledge K7",
        "won't ack K7",
        "never ack K7",
        "ack K7? no",
        "ack K7 - not!",
    ),
    *("ack K7 NOT", "who acked K7?", "did Bob ack K7", "can you ack K7", "should I ack K7", "is K7 acked"),
    *("ack K7 or M4", "ack K7 M4", "ack K7 and close K7", "ack or close K7", "ack K7, will close M4"),
    *(
        "ack M2 K7",
        "ack later",
        "the road is closed today and ack",
        "ack all except K7",
        "ack all but K7",
        "ack K7 but M4",
        "close all",
    ),
    *("don\u2019t ack K7", "I didn't ack k7", "nobody acked K7", "ack K9", "ack", "ok", "stop acking K7"),
    *("Liked \u201cHMS #K7 late. Reply ACK K7.\u201d", "Loved \u201cHMS #K7: ack\u201d", 'Disliked "ACK K7"'),
    *(
        "Reacted \U0001f44d to \u201cHMS #K7 late. Reply ACK K7.\u201d",
        "\U0001f44d to \u201cReply ACK K7.\u201d",
    ),
    *("ack K7 'not'", "ackK9", "a K7 M4", "Reacted with\na heart to \u201cReply ACK K7.\u201d"),
    *("Emphasized \u201cACK K7\u201d", "Laughed at \u201cACK K7\u201d", "Questioned \u201cack K7\u201d"),
    *("Removed a like from \u201cReply ACK K7.\u201d", "Removed \U0001f44d from \u201cReply ACK K7.\u201d"),
]
SILENT = [
    "",
    "...",
    "hello",
    "I am driving",
    "K7",
    "what a day",
    "look at K7",
    "a 24 K7",
    "a c K7",
    "a a",
    "the ok corral",
]


@pytest.mark.parametrize("body", TAKEN)
def test_the_verb_and_the_reference_may_stand_anywhere(body: str) -> None:
    """One verb and one open reference are enough, whatever stands around them."""
    assert read(body, TWO) == Act("ack", ("K7",))


@pytest.mark.parametrize("body", ALONE)
def test_the_only_incident_needs_no_reference(body: str) -> None:
    """With one open incident the verb alone is clear; with two it is asked back which one."""
    assert read(body, ONE) == Act("ack", ONE)
    assert read(body, TWO) == Question("HMS: which one? #K7, #M4.")


@pytest.mark.parametrize("body", ASKED)
def test_what_may_mean_the_opposite_is_asked_back(body: str) -> None:
    """Negations, questions, several references or verbs, strangers' references and reactions do nothing."""
    asked = read(body, TWO)

    assert isinstance(asked, Question)
    assert len(asked.answer) <= 160
    assert asked.answer.isascii()


@pytest.mark.parametrize("body", SILENT)
def test_what_is_about_something_else_says_nothing(body: str) -> None:
    """Without a verb nothing is asked for, even if a reference is named."""
    assert read(body, ONE) == Nothing()


@pytest.mark.parametrize(
    ("body", "meant"),
    [
        ("ack all", Act("ack", TWO)),
        ("ok ack them all, thanks", Act("ack", TWO)),
        ("ack both", Act("ack", TWO)),
        ("a all", Act("ack", TWO)),
        ("close K7", Act("close", ("K7",))),
        ("closeM4", Act("close", ("M4",))),
        ("K7 is fixed, please close", Act("close", ("K7",))),
        ("c m4", Act("close", ("M4",))),
    ],
)
def test_all_of_them_and_closing(body: str, meant: Act) -> None:
    """ALL behind the verb takes on every incident; closing is asked for as acknowledging is."""
    assert read(body, TWO) == meant


@pytest.mark.parametrize(
    ("references", "answer"),
    [
        ((), "None of your incidents is open."),
        (ONE, "Reply ACK K7 to take it on."),
        (TWO, "Reply ACK K7 or ACK ALL. Open: #K7, #M4."),
    ],
)
def test_who_is_asked_back_is_told_what_to_reply(references: tuple[str, ...], answer: str) -> None:
    """By one of those that are open for this person, if any is."""
    assert read("don't ack", references) == Question(f"HMS: not sure, so nothing was done. {answer}")


@pytest.mark.parametrize(("count", "more"), [(12, ""), (13, " and 1 more"), (14, " and 2 more")])
def test_a_dozen_are_listed_and_the_others_counted(count: int, more: str) -> None:
    """An answer is one text."""
    assert listed(["K7"] * count) == ", ".join(["#K7"] * 12) + more


def test_closing_the_only_incident_needs_few_words() -> None:
    """A text that tells of something else that is closed ends nothing."""
    assert read("close it", ONE) == read("close it please", ONE) == Act("close", ONE)
    assert read("please close it now", ONE) == Question("HMS: close #K7? Reply CLOSE K7.")
    assert isinstance(read("the county office is closed today", ONE), Question)


@pytest.mark.parametrize(("observed", "meant"), [("KS", "K5"), ("KB", "K8"), ("kz", "K2"), ("K5", "KS")])
def test_a_reference_that_looks_like_an_open_one_is_asked_about(observed: str, meant: str) -> None:
    """A letter for a digit is never taken for the incident, but named."""
    asked = read(f"ack {observed}", (meant,))

    assert isinstance(asked, Question)
    assert f"Did you mean #{meant}?" in asked.answer


def test_a_reference_of_no_open_incident_is_named() -> None:
    """The first of them, with those that are open, or with the one that it looks like."""
    stranger = "HMS: #K9 is not an open incident of yours."
    assert read("ack K9 M8", TWO) == Question(f"{stranger} Open: #K7, #M4.")
    assert read("ack K9", ()) == Question(stranger)
    alike = "HMS: #KS is none. Did you mean #K5? Reply ACK K5."
    assert read("ack KS", ("A1", "K5", "Z9")) == Question(alike)


_VERBS = st.sampled_from(["ack", "ACK", "acknowledge", "acking", "acked", "ok ack", "close", "a", "ok"])
_NOS = st.sampled_from(
    ["not", "don't", "do not", "never", "can't", "cannot", "won't", "no", "didn\u2019t", "DONT"]
)
_WORDS = st.lists(st.sampled_from(["thanks", "please", "now", "I", "will", "K7", "the", "page"]), max_size=4)


@given(_WORDS, _NOS, _WORDS, _VERBS, _WORDS, st.booleans())
def test_a_negation_never_acts(
    before: list[str], no: str, between: list[str], verb: str, after: list[str], ahead: bool
) -> None:
    """Wherever the negation stands, in front of the verb or behind it."""
    parts = [no, *between, verb] if ahead else [verb, *between, no]
    text = " ".join([*before, *parts, *after])

    assert not isinstance(read(text, ONE), Act)


_REACTIONS = st.sampled_from(
    (
        *("Liked", "Loved", "Disliked", "Laughed at", "Emphasized", "Questioned", "Reacted \U0001f44d to"),
        *("Reacted \u2764\ufe0f to", "\U0001f44d to", "Removed a heart from", "Removed an exclamation from"),
    )
)


@given(_REACTIONS, st.sampled_from(["\u201c", '"']), st.text(max_size=30))
def test_a_reaction_never_acts(reaction: str, quote: str, more: str) -> None:
    """Phones send a reaction as a text that quotes the page, which says ACK K7 itself."""
    assert not isinstance(read(f"{reaction} {quote}HMS #K7 late. Reply ACK K7.{more}", ONE), Act)


@given(st.text(max_size=80), st.lists(st.sampled_from(["K7", "M4", "X123", "A2B"]), unique=True))
def test_whatever_is_sent_is_read(text: str, references: list[str]) -> None:
    """No text upsets the reading, and only open references are acted on."""
    meant = read(text, references)

    assert not isinstance(meant, Act) or set(meant.references) <= set(references)
