"""The rules of a farm-grant application: every reason that holds is told, and no other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hms_oms.jobs.outcomes import Done
from hms_oms.jobs.records import Claimed
from workers.farm_grant import rules, steps
from workers.farm_grant.rules import CODES, reasons
from workers.step import StepRun

TODAY = date(2026, 11, 22)
GOOD: Mapping[str, Any] = {
    "appId": 219,
    "name": "Ann Lee",
    "phone": "(312) 555-0123",
    "countyFips": "19001",
    "crop": "corn",
    "acres": 120.5,
    "amountRequested": 25000,
    "submittedOn": "2026-11-01",
}


def of(**changes: Any) -> tuple[str, ...]:
    """The reasons against an application that is good but for these fields."""
    return reasons({**GOOD, **changes}, TODAY)


def test_a_good_application_breaks_no_rule() -> None:
    """The example that all others here depart from is accepted."""
    assert of() == ()


def test_all_reasons_are_told_in_their_order() -> None:
    """An application that is wrong throughout is told everything at once."""
    wrong = of(
        phone="n/a", countyFips="99999", crop="gold", acres=0, amountRequested=0, submittedOn="2027-01-01"
    )

    assert wrong == ("phone", "county", "crop", "acres", "amount", "date") == CODES


@pytest.mark.parametrize(
    "phone", ["312-555-0123", "+1 312 555 0123", "3125550123", "1-312-555-0123", "(312) 555-0123 x7"]
)
def test_american_spellings_of_a_number_are_good(phone: str) -> None:
    """A number of the United States is good however Americans write it."""
    assert of(phone=phone) == ()


@pytest.mark.parametrize("area", ["787", "939", "671", "340", "670", "684"])
def test_numbers_of_the_territories_are_good(area: str) -> None:
    """People of Puerto Rico, Guam, the Virgin Islands, the Marianas and Samoa apply as others do."""
    assert of(phone=f"({area}) 555-0142") == ()
    assert rules.e164(f"{area}-555-0142") == f"+1{area}5550142"


@pytest.mark.parametrize(
    "phone",
    [
        *("(312) 555-0142 ext", "312-555-0142 ext. 7", "312-555-0142 (cell)", "cell: 312-555-0142"),
        *("312-555-0142 or 312-555-0143", "312-555-0142 / 312-555-0143", "312.555.0142/312.555.0143"),
        *("h 312-555-0143, c 312-555-0142", "fax 312-555-0143; 312-555-0142", "tel:+1-312-555-0142"),
    ],
)
def test_words_about_a_number_are_understood(phone: str) -> None:
    """Of several numbers the cell is texted, else the first; an extension may be left out."""
    assert of(phone=phone) == ()
    assert rules.e164(phone) == "+13125550142"


@pytest.mark.parametrize(
    "phone",
    [
        *("555-0123", "(999) 555-0100", "312-555-01", "n/a", "5" * 60),
        *("+44 20 7946 0018", "+1 416 555 0123", "+1 876 555 0123", "684-555-1234"),
    ],
)
def test_other_numbers_are_not(phone: str) -> None:
    """No number at all, and a valid number of another region, are not valid US numbers."""
    assert of(phone=phone) == ("phone",)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_no_text_upsets_the_phone_rule(phone: str) -> None:
    """Whatever stands in the phone field is judged, and a US number can always be dialled."""
    assert rules.is_us_number(phone) <= (rules.e164(phone) is not None)


@pytest.mark.parametrize(
    ("phone", "dialled"),
    [
        ("(312) 555-0123", "+13125550123"),
        ("+44 20 7946 0018", "+442079460018"),
        ("787-555-0123", "+17875550123"),
        ("555-0123", None),
        ("nobody", None),
    ],
)
def test_a_valid_number_of_any_region_can_be_dialled(phone: str, dialled: str | None) -> None:
    """E.164 is what every network understands; what is no number has none."""
    assert rules.e164(phone) == dialled


@pytest.mark.parametrize("county", ["01001", "11001", "15003", "72001", "66010", "60010", "78010", "69110"])
def test_counties_of_states_dc_and_territories_are_good(county: str) -> None:
    """DC and the territories have counties too."""
    assert of(countyFips=county) == ()


@pytest.mark.parametrize("county", ["09001", "09015", *(f"09{region}" for region in range(110, 200, 10))])
def test_connecticut_has_regions_beside_its_old_counties(county: str) -> None:
    """The Census has counted by planning regions since 2022; forms have either code."""
    assert of(countyFips=county) == ()


@pytest.mark.parametrize(
    "county",
    ["09100", "09200", "1001", "00000", "19000", "99999", "19", "19001 ", "Polk County", "１９００１"],
)
def test_what_is_no_county_code_is_not(county: str) -> None:
    """A code is its five digits: a leading zero that a spreadsheet dropped is missing."""
    assert of(countyFips=county) == ("county",)


@pytest.mark.parametrize("crop", rules.CROPS)
def test_thirteen_crops_are_funded(crop: str) -> None:
    """Each crop of the list is good, as written there."""
    assert of(crop=crop) == ()
    assert of(crop=crop.upper()) == ("crop",)
    assert len(rules.CROPS) == 13


@pytest.mark.parametrize("acres", [0.001, 1, 49_999.999, 50_000])
def test_acres_within_bounds_are_good(acres: float) -> None:
    """More than none, and fifty thousand at most."""
    assert of(acres=acres, amountRequested=0.5) == ()


@pytest.mark.parametrize("acres", [50_000.000001, 50_001, 10**400, 1e308])
def test_too_many_acres_are_not(acres: float) -> None:
    """However large the number, it is only too large."""
    assert of(acres=acres) == ("acres",)


@pytest.mark.parametrize("acres", [0, -0.0, -1, -1e308])
def test_without_land_no_amount_fits(acres: float) -> None:
    """Acres of nothing or less are a reason, and so is any amount for them."""
    assert of(acres=acres) == ("acres", "amount")


@pytest.mark.parametrize(
    ("acres", "amount", "expected"),
    [
        (500, 250_000, ()),
        (500, 250_000.01, ("amount",)),
        (50_000, 250_000, ()),
        (0.1, 50, ()),
        (0.1, 50.000000001, ("amount",)),
        (33.3, 16_650, ()),
        (33.3, 16_650.01, ("amount",)),
        # 500 * 0.07 is 35.00000000000001 in binary floating point.
        (0.07, 35, ()),
        (0.07, 35.00000000000001, ("amount",)),
        (10, 0, ("amount",)),
        (10, -5, ("amount",)),
    ],
)
def test_the_amount_is_compared_exactly(acres: float, amount: float, expected: tuple[str, ...]) -> None:
    """The limit is exact to the last decimal that was written."""
    assert of(acres=acres, amountRequested=amount) == expected


@settings(deadline=None)
@given(st.decimals(0, 60_000, places=2), st.decimals(-10, 300_000, places=2))
def test_acres_and_amount_agree_with_arithmetic(acres: Any, amount: Any) -> None:
    """Decimal numbers as people type them are judged as on paper."""
    result = of(acres=float(acres), amountRequested=float(amount))

    assert ("acres" in result) == (not 0 < acres <= 50_000)
    assert ("amount" in result) == (not 0 < Fraction(amount) <= min(Fraction(250_000), 500 * Fraction(acres)))


@pytest.mark.parametrize("strange", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_none_are_reasons(strange: float) -> None:
    """Should such a number ever come past the API, it is no good either."""
    assert of(acres=strange) == ("acres", "amount")
    assert of(amountRequested=strange) == ("amount",)


@pytest.mark.parametrize(
    ("day", "expected"), [("2026-11-22", ()), ("2026-11-23", ("date",)), ("1999-01-01", ())]
)
def test_the_future_begins_tomorrow(day: str, expected: tuple[str, ...]) -> None:
    """An application of today is not from the future."""
    assert of(submittedOn=day) == expected


def run(now: datetime, **changes: Any) -> StepRun:
    """A run of the validate step, which has no business with a database."""

    def no_effects() -> NoReturn:
        raise AssertionError("validate asked for a connection")

    claimed = Claimed(
        job=1,
        attempt=1,
        step=0,
        steps=("validate", "inspect", "notify"),
        type="farm:grant:v1",
        recipe_id=1,
        failures=0,
        payload={**GOOD, **changes},
        results={},
        now=now,
    )
    return StepRun(claimed, no_effects)


def test_the_step_accepts() -> None:
    """A good application goes on to the next step."""
    assert steps.validate(run(datetime(2026, 11, 22, tzinfo=UTC))) == {"accepted": True}


def test_the_step_rejects_and_skips_the_visit() -> None:
    """A rejected application carries its reasons to the last step."""
    rejected = steps.validate(run(datetime(2026, 11, 22, tzinfo=UTC), crop="gold", phone="n/a"))

    assert rejected == Done(
        {"accepted": False, "reasons": ["phone", "crop"]}, outcome="rejected", skip_to="notify"
    )


#: Where applicants live, from the first to the last whose day begins.
_HOMES = ("Guam", "Saipan", "Pago_Pago", "Honolulu")
_STATES = (
    "Puerto_Rico",
    "St_Thomas",
    "New_York",
    "Chicago",
    "Denver",
    "Phoenix",
    "Los_Angeles",
    "Anchorage",
    "Adak",
)
HOMES = [*(f"Pacific/{name}" for name in _HOMES), *(f"America/{name}" for name in _STATES)]
OFFICES = [*HOMES, "UTC", "Pacific/Auckland"]


@given(
    now=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),
    home=st.sampled_from(HOMES),
    office=st.sampled_from(OFFICES),
)
@settings(deadline=None)
def test_today_is_no_future_wherever_the_applicant_lives(now: datetime, home: str, office: str) -> None:
    """What is of today at home or in the office is accepted, on any day of any year; nobody's tomorrow is."""
    zones = [ZoneInfo(home), ZoneInfo(office)]
    days = [now.astimezone(zone).date() for zone in zones]
    for day in days:
        assert "date" not in reasons({**GOOD, "submittedOn": f"{day}"}, rules.latest_today(now, zones[1]))
    latest = max(now.astimezone(ZoneInfo(item)).date() for item in [*HOMES, office])
    assert rules.latest_today(now, zones[1]) == latest
    tomorrow = latest + timedelta(days=1)
    assert reasons({**GOOD, "submittedOn": f"{tomorrow}"}, rules.latest_today(now, zones[1])) == ("date",)


@pytest.mark.parametrize(
    ("submitted", "expected"), [("2026-11-22", ()), ("2026-11-23", ()), ("2026-11-24", ("date",))]
)
def test_the_step_knows_todays_of_guam(submitted: str, expected: tuple[str, ...]) -> None:
    """On a Sunday afternoon in Chicago it is Monday in Guam already."""
    afternoon = datetime(2026, 11, 22, 14, tzinfo=timezone(timedelta(hours=-6)))
    said = steps.validate(run(afternoon, submittedOn=submitted))
    result = said.result if isinstance(said, Done) else said
    assert tuple(result.get("reasons", ())) == expected
