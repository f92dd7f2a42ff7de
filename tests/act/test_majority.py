"""A file of which one reason refuses most rows is not begun."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hms_act import cycle
from hms_act.files import csv_rows, majority
from hms_act.files.csv_rows import Refusal, Row
from hms_act.files.majority import MostRefused, checked
from hms_oms.cycles import cycles
from hms_oms.recipes import recipes

GRANT = recipes.load_file(Path(recipes.__file__).parents[2] / "workers/recipes/farm-grant.toml")
HEADER = "app_id,name,phone,county_fips,crop,acres,amount_requested,submitted_on\n"


def file(*codes: str) -> io.BytesIO:
    """Applications with these county codes."""
    lines = [f"{n},Ann,312-555-0142,{code},corn,9,9,2026-11-20\n" for n, code in enumerate(codes, start=1)]
    return io.BytesIO((HEADER + "".join(lines)).encode())


def test_codes_that_lost_their_zero_stop_the_file() -> None:
    """Each row has another value; the reason is one, and the first row shows what was probably meant."""
    with pytest.raises(MostRefused) as raised:
        list(checked(csv_rows.read(file("1001", "1003", "19001", "1005"), GRANT)))

    assert str(raised.value) == (
        "3 of 4 rows would be refused for one reason, so nothing was started:"
        " county_fips: five digits are needed"
    )
    assert raised.value.example == "line 2: 1001: five digits are needed; 01001?"


@pytest.mark.parametrize(
    "codes",
    [
        (),
        ("1001",),
        ("1001", "1003"),
        ("1001", "19001"),
        ("1001", "1003", "19001", "19003"),
    ],
)
def test_no_file_is_stopped_for_less(codes: tuple[str, ...]) -> None:
    """Half of the rows is not most of them; if every row is refused, nothing would start anyway."""
    rows = list(checked(csv_rows.read(file(*codes), GRANT)))

    assert len(rows) == len(codes)


def test_several_reasons_do_not_add_up() -> None:
    """Rows that are refused each for its own reason stay rows to be mended one by one."""
    rows: list[Row | Refusal] = [Row(2, {}), *(Refusal(n, f"column {n}", "is odd") for n in range(3, 9))]

    assert list(checked(iter(rows))) == rows


def test_a_long_file_is_judged_by_its_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work does not wait for the end of a file."""
    monkeypatch.setattr(majority, "LOOKED_AT", 4)
    bad = [Refusal(n, "county_fips", "five digits are needed") for n in range(6, 99)]
    rows: list[Row | Refusal] = [*(Row(n, {}) for n in range(2, 6)), *bad]

    assert list(checked(iter(rows))) == rows


def test_a_file_that_breaks_off_is_taken_as_far_as_it_came() -> None:
    """What fails the reading comes up behind the rows before it."""

    def broken() -> Iterator[Row | Refusal]:
        yield Row(2, {})
        raise OSError("gone")

    rows = checked(broken())
    assert next(rows) == Row(2, {})
    with pytest.raises(OSError, match="gone"):
        next(rows)


def test_nothing_is_begun_unless_it_is_said_so(engine: sa.Engine) -> None:
    """No cycle is made of a file that is stopped; with the refusals accepted the other rows are jobs."""
    codes = ("1001", "1003", "19001")
    with pytest.raises(MostRefused):
        list(cycle.accept_file(engine, GRANT, file(*codes), name="f", requested_by="t"))
    with engine.connect() as connection:
        assert cycles.count(connection) == 0

    *_, batch = cycle.accept_file(
        engine, GRANT, file(*codes), name="f", requested_by="t", accept_refusals=True
    )
    assert isinstance(batch, cycles.Cycle)
    assert (batch.accepted, batch.refused) == (1, 2)
