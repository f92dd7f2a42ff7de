"""What people write where a phone number is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hms_oms.recipes import phones


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("312-555-0142 ask for Ann", "'ask for Ann' is not understood"),
        ("312-555-0142 (Ann's cell)", '"Ann\'s" is not understood'),
        ("312-555-0142 or -0143", "'0143' is not understood"),
        ("312-555-0142 312-555-0143", "'312-555-0142 312-555-0143' is not understood"),
        ("3.12555E+09", "a spreadsheet has shortened the number"),
        ("12345", "7 digits at least"),
        ("none", "7 digits at least"),
        ("", "7 digits at least"),
    ],
)
def test_what_is_not_understood_is_named(text: str, part: str) -> None:
    """The message says which part of the text is neither a number nor a word about one."""
    with pytest.raises(phones.Unreadable) as raised:
        phones.number(text)
    assert part in str(raised.value)


@pytest.mark.parametrize(
    "text", ["312-555-CORN", "1-800-FLOWERS", "555-0123", "+44 20 7946 0018", "３１２５５５０１４２"]
)
def test_whether_a_number_exists_is_not_asked_here(text: str) -> None:
    """Letters for digits, numbers without an area code and those of other countries can be read."""
    assert phones.is_readable(text)


@given(st.text(max_size=60))
def test_no_text_upsets_the_reading(text: str) -> None:
    """Every text is a number, or is refused with a reason."""
    assert phones.is_readable(text) in (True, False)


_LABELS = st.sampled_from(["", " (cell)", " cell", " home", " ext", " x12", " (work) "])
_JOINS = st.sampled_from([" or ", " / ", "; ", ", ", " and "])


@given(st.integers(0, 99), st.integers(0, 99), _LABELS, _LABELS, _JOINS)
def test_numbers_are_read_whole(first: int, second: int, label: str, other: str, join: str) -> None:
    """Of two numbers with words about them one comes out, never a mixture."""
    numbers = [f"312-555-{100 + number:04}" for number in (first, second)]

    assert phones.number(f"{numbers[0]}{label}{join}{numbers[1]}{other}") in numbers
