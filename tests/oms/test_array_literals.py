"""Lists written as array literals."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from hms_oms.database import array_literals
from hms_oms.database.connections import RawConnection


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("text[]", ["a", "", None, "NULL", "{b,c}", 'x"y\\z\n,\t', " d ", "\u00e9\u2028", "%(e)s"]),
        ("bigint[]", [1, -2, None, 2**62]),
        ("float8[]", [1.5, 1e300, float("inf"), None]),
        ("boolean[]", [True, False, None]),
        ("text[]", []),
    ],
)
def test_the_server_reads_what_was_written(raw: RawConnection, kind: str, values: list[Any]) -> None:
    """Every character and every kind of value comes back as it was."""
    with raw.cursor() as cursor:
        cursor.execute(f"select %(values)s::{kind}", {"values": array_literals.literal(values)})
        assert cursor.fetchone() == (values,)


def test_a_list_of_other_types_is_left_to_the_driver() -> None:
    """What has no plain way to be written is no text."""
    moments = [datetime(2026, 11, 28, tzinfo=UTC)]
    assert array_literals.literal(moments) is moments
