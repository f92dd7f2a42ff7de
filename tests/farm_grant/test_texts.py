"""The texts to applicants: one GSM-7 segment each, whatever they have to say."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.farm_grant import roster, rules
from workers.farm_grant.texts import ONE_SEGMENT, REASONS, assigned, encodable, rejected, septets

LONGEST_NUMBER = 9_007_199_254_740_991
SOME_REASONS = [
    codes for count in range(1, len(rules.CODES) + 1) for codes in combinations(rules.CODES, count)
]


def test_an_accepted_application_reads_who_will_come() -> None:
    """The text says what was decided, about what, and who comes."""
    assert (
        assigned(219, "Søren Muñoz")
        == "Farm grant 219: accepted. Inspector Søren Muñoz will visit your farm."
    )


def test_a_rejected_application_reads_why() -> None:
    """The reasons are given in plain words."""
    assert rejected(219, ["phone", "date"]) == (
        "Farm grant 219: rejected: the phone number is not a valid US number; the date is in the future."
    )


@pytest.mark.parametrize("codes", SOME_REASONS, ids="+".join)
def test_any_reasons_fit_into_one_segment(codes: tuple[str, ...]) -> None:
    """All reasons that hold are told, in full or in few words, in one segment."""
    text = rejected(LONGEST_NUMBER, codes)

    assert septets(text) <= ONE_SEGMENT
    assert all(any(words in text for words in REASONS[code]) for code in codes)


def test_every_rule_has_its_words() -> None:
    """No code is without words, and none has words without being a rule."""
    assert tuple(REASONS) == rules.CODES


def test_every_inspector_is_named_in_full() -> None:
    """Each name of the roster is unique, spelled in GSM-7, and fits beside the longest number."""
    names = [inspector.name for inspector in roster.inspectors()]

    assert len(set(names)) == len(names)
    for name in names:
        assert len(name) <= 40
        assert name in assigned(LONGEST_NUMBER, name)
        assert septets(assigned(LONGEST_NUMBER, name)) <= ONE_SEGMENT


@settings(deadline=None)
@given(st.text(), st.integers(1, LONGEST_NUMBER))
def test_whatever_the_inspector_is_called_the_text_fits(name: str, number: int) -> None:
    """Any name can be sent: cut, spelled in plain letters, or left out."""
    text = assigned(number, name)

    assert septets(text) <= ONE_SEGMENT
    assert text.endswith(" will visit your farm.")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("name", "spelled"),
    [
        ("Noé Müller", "Noé Müller"),
        ("Zoë Łukasz São", "Zoe Lukasz Sao"),
        ("D’Arcy “Bud” Lee–Ray", 'D\'Arcy "Bud" Lee-Ray'),
        ("Nguye\u0302\u0303n", "Nguyen"),
        ("n\u0303", "ñ"),
        ("Ann\u00a0\n Lee\u200b", "Ann Lee"),
        ("ﬁeld", "field"),
        ("a\x1bb", "ab"),
        ("王秀英", ""),
    ],
)
def test_letters_that_gsm_lacks_are_made_plain(name: str, spelled: str) -> None:
    """Marks are dropped where GSM-7 has only the plain letter; what has none is left out."""
    assert encodable(name) == spelled


def test_a_name_of_no_known_letter_is_left_out() -> None:
    """Nobody is announced rather than a name of question marks."""
    assert assigned(219, "王秀英") == "Farm grant 219: accepted. An inspector will visit your farm."


def test_extension_characters_count_twice() -> None:
    """Brackets and the euro sign take two septets, in counting and in cutting."""
    assert septets("a[€]") == 7
    assert encodable("[[[[", 5) == "[["
