"""The sample file: realistic, repeatable, and with everything in it that may be wrong."""

from __future__ import annotations

import csv
import io
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from hms_act.files.csv_rows import Refusal, Row, read
from hms_oms.recipes import recipes
from workers.farm_grant import rules, sample

GRANT = recipes.load_file(Path(recipes.__file__).parents[2] / "workers/recipes/farm-grant.toml")
TODAY = date(2026, 11, 22)


def written(applications: int, seed: int = 1, today: date = TODAY) -> str:
    """A sample file as text."""
    stream = io.StringIO(newline="")
    sample.write(stream, applications, seed, today)
    return stream.getvalue()


def taken_apart(text: str) -> tuple[list[Row], list[Row], list[Refusal]]:
    """The first row of each application, the rows that repeat one, and the refusals."""
    first: dict[int, Row] = {}
    repeated, refusals = [], []
    for result in read(io.BytesIO(text.encode()), GRANT):
        if isinstance(result, Refusal):
            refusals.append(result)
        elif result.payload["appId"] in first:
            repeated.append(result)
        else:
            first[result.payload["appId"]] = result
    return list(first.values()), repeated, refusals


@pytest.mark.parametrize("applications", [0, 1, 37, 500, 3000])
@pytest.mark.parametrize("seed", [0, 1, -7, 2**70])
def test_it_has_as_many_applications_as_asked_for(applications: int, seed: int) -> None:
    """N distinct applications can be read; a hundredth as many lines each are repeated and unreadable."""
    first, repeated, refusals = taken_apart(written(applications, seed))

    assert len(first) == applications
    assert len(repeated) == len(refusals) == -(-applications // 100)


@pytest.mark.parametrize("seed", range(5))
def test_some_applications_break_each_rule(seed: int) -> None:
    """About eight in a hundred are rejected, and among five hundred every reason occurs."""
    first, _, _ = taken_apart(written(500, seed))
    lines = [reasons for row in first if (reasons := rules.reasons(row.payload, TODAY))]

    assert len(lines) == 40
    assert Counter(code for reasons in lines for code in reasons).keys() == set(sample.BROKEN)
    assert sample.BROKEN in lines
    assert any(len(reasons) == 1 for reasons in lines)


def test_every_kind_of_refusal_occurs() -> None:
    """A daily file has every fault that a row can have: by each column, by its cells, by an open quote."""
    _, _, refusals = taken_apart(written(3000))

    assert {refusal.field for refusal in refusals} == set(sample.COLUMNS)
    for words in ["missing", "whole number", "decimal number", "too large", "YYYY-MM-DD", "no such day"]:
        assert any(words in refusal.reason for refusal in refusals), words
    for words in ["longer than 300", "is more than", "9 cells", "never closed"]:
        assert any(words in refusal.reason for refusal in refusals), words


def test_the_same_seed_writes_the_same_file() -> None:
    """Byte for byte, so that a run can be repeated."""
    assert written(300, 5) == written(300, 5)


def test_another_seed_has_other_applications() -> None:
    """The samples of two days do not take each other's numbers."""
    numbers = [{row.payload["appId"] for row in taken_apart(written(300, seed))[0]} for seed in (1, 2)]

    assert not numbers[0] & numbers[1]


def test_it_looks_like_what_people_write() -> None:
    """Names in several scripts, with quoted commas, quotes and a few newlines; numbers nobody can answer."""
    text = written(3000)
    first, _, _ = taken_apart(text)
    names = [row.payload["name"] for row in first]

    assert text.startswith("app_id,name,phone,county_fips,crop,acres,amount_requested,submitted_on\n")
    assert "\0" not in text
    assert 1 <= sum("\n" in name for name in names) <= 60
    for letter in ',"éŁШ王ל':
        assert any(letter in name for name in names), letter
    for row in first:
        if rules.is_us_number(row.payload["phone"]):
            assert (rules.e164(row.payload["phone"]) or "")[5:10] == "55501"


def test_the_usual_reader_reads_it_too() -> None:
    """Python's own csv module finds every application: nothing in the file swallows its neighbours."""
    text = written(3000)
    first, _, _ = taken_apart(text)

    result = {row["app_id"] for row in csv.DictReader(io.StringIO(text, newline=""))}

    assert {str(row.payload["appId"]) for row in first} <= result
