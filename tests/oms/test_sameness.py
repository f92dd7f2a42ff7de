"""Whether two payloads mean the same, by their schema."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hms_oms.recipes.payload_equality import ABSENT, differences, meaning

SCHEMA = {
    "properties": {
        "acres": {"type": ["number", "string"]},
        "code": {"type": "string"},
        "farm": {"type": "object", "properties": {"acres": {"type": ["integer", "string"]}}},
        "fields": {"type": "array", "items": {"type": ["number", "string"]}},
    }
}


@pytest.mark.parametrize(
    ("item", "other"),
    [
        ({"acres": 120, "code": "a"}, {"code": "a", "acres": 120}),
        ({"acres": 120}, {"acres": 120.0}),
        ({"acres": 120}, {"acres": "120"}),
        ({"acres": 1200}, {"acres": 1.2e3}),
        ({"acres": "120.50"}, {"acres": 120.5}),
        ({"farm": {"acres": 1, "b": [1]}}, {"farm": {"b": [1.0], "acres": "1"}}),
        ({"fields": [1, "2"]}, {"fields": [1.0, 2]}),
        ({"other": {"x": 1}}, {"other": {"x": 1.0}}),
    ],
)
def test_the_same_written_otherwise_is_the_same(item: dict[str, Any], other: dict[str, Any]) -> None:
    """The order of keys and the form of numbers say nothing."""
    assert differences(SCHEMA, item, other) == {}


@pytest.mark.parametrize(
    ("item", "other", "expected"),
    [
        ({"code": "01001"}, {"code": "1001"}, {"code": ("01001", "1001")}),
        ({"code": "1"}, {"code": "1.0"}, {"code": ("1", "1.0")}),
        ({"acres": 1}, {"acres": True}, {"acres": (1, True)}),
        ({"acres": 1}, {}, {"acres": (1, ABSENT)}),
        ({}, {"acres": None}, {"acres": (ABSENT, None)}),
        ({"fields": [1, 2]}, {"fields": [2, 1]}, {"fields": ([1, 2], [2, 1])}),
        ({"farm": {"acres": 1, "b": 2}}, {"farm": {"acres": 2, "b": 2}}, {"farm.acres": (1, 2)}),
        ({"acres": "a lot"}, {"acres": 1}, {"acres": ("a lot", 1)}),
        ({"acres": "NaN"}, {"acres": "nan"}, {"acres": ("NaN", "nan")}),
    ],
)
def test_what_differs_is_named_with_both_values(
    item: dict[str, Any], other: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Texts of digits are texts unless the schema wants a number; a missing field is not null."""
    assert differences(SCHEMA, item, other) == expected


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=40)
@given(st.dictionaries(st.text(), _JSON, max_size=4), st.dictionaries(st.text(), _JSON, max_size=4))
def test_no_difference_is_the_same_meaning(item: dict[str, Any], other: dict[str, Any]) -> None:
    """Two payloads without a difference have one meaning, and the other way round."""
    assert (differences({}, item, other) == {}) == (meaning({}, item) == meaning({}, other))
    assert differences({}, item, item) == {}
