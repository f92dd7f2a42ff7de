"""What a row of applications cannot become right in is refused before anybody is texted."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import pytest

from hms_act.files.csv_rows import Refusal, Row, read
from hms_oms.recipes import counties, payload_schema, recipes
from workers.farm_grant import rules

GRANT = recipes.load_file(Path(recipes.__file__).parents[2] / "workers/recipes/farm-grant.toml")
GOOD = {
    "app_id": "219",
    "name": "Ann Lee",
    "phone": "312-555-0142",
    "county_fips": "19153",
    "crop": "corn",
    "acres": "120",
    "amount_requested": "30000",
    "submitted_on": "2026-11-20",
}
TODAY = date(2026, 11, 22)


def intake(**changes: str) -> Row | Refusal:
    """What becomes of a row that is good but for these cells."""
    cells = {**GOOD, **changes}
    [result] = read(io.BytesIO(f"{','.join(cells)}\n{','.join(cells.values())}\n".encode()), GRANT)
    return result


@pytest.mark.parametrize(
    ("column", "text", "reason"),
    [
        ("county_fips", "1001", "1001: five digits are needed; 01001?"),
        ("county_fips", "99999", "99999: no state or territory has the code 99"),
        ("county_fips", "00000", "00000: no state or territory has the code 00"),
        ("county_fips", "03001", "03001: no state or territory has the code 03"),
        ("county_fips", "74300", "74300: no state or territory has the code 74"),
        ("county_fips", "19000", "19000: that is all of Iowa: the code of a county is needed"),
        ("county_fips", "19998", "19998: Iowa has no county 998"),
        ("county_fips", "09100", "09100: Connecticut has no county 100"),
        ("county_fips", "46113", "46113: the county has another code by now; 46102?"),
        ("county_fips", "02261", "02261: the county has another code by now; 02063 or 02066?"),
        ("acres", "0", "is not more than 0"),
        ("acres", "-12.5", "is not more than 0"),
        ("amount_requested", "0", "is not more than 0"),
        ("amount_requested", "-500", "is not more than 0"),
        ("submitted_on", "0026-11-20", "0026-11-20: is the year meant?"),
        ("submitted_on", "1926-11-20", "1926-11-20: is the year meant?"),
    ],
)
def test_what_cannot_become_right_is_refused(column: str, text: str, reason: str) -> None:
    """With words about what is wrong with it; the API says the same."""
    refused = intake(**{column: text})
    assert isinstance(refused, Refusal)
    assert (refused.field, refused.reason) == (column, reason)
    if column == "county_fips":
        row = intake()
        assert isinstance(row, Row)
        assert payload_schema.faults(GRANT.payload, {**row.payload, "countyFips": text}) == [
            ("countyFips", reason)
        ]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"phone": "+44 20 7946 0018"}, "phone"),
        ({"crop": "tulips"}, "crop"),
        ({"acres": "50000.01"}, "acres"),
        ({"amount_requested": "60000.01"}, "amount"),
        ({"submitted_on": "2026-11-23"}, "date"),
    ],
)
def test_what_the_rules_are_against_is_answered(changes: dict[str, str], code: str) -> None:
    """A row that means what it says is a job, whose applicant hears why it is not granted."""
    row = intake(**changes)
    assert isinstance(row, Row)
    assert rules.reasons(row.payload, TODAY) == (code,)


def test_every_county_is_accepted_and_no_other_five_digits() -> None:
    """States, DC and territories, Connecticut's former counties and its regions of today."""
    known = counties.codes()
    assert {"09001", "09110", "09190", "11001", "72001", "66010", "78010", "60010", "69110"} <= known
    assert len(known) > 3200
    refused = {code for code in (f"{number:05}" for number in range(100_000)) if counties.fault(code)}
    assert refused | known == {f"{number:05}" for number in range(100_000)}
    assert not refused & known
    assert all(counties.fault(text) is None for text in ("", "1001", "IA-153", "１９００１"))
