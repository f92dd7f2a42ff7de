"""Rules for farm-grant applications: pure, each with the code of its reason."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, tzinfo
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers

from hms_oms.recipes import counties, phones

CROPS = (
    *("corn", "soybeans", "wheat", "cotton", "rice", "sorghum", "barley", "oats", "hay"),
    *("vegetables", "fruit", "dairy", "livestock"),
)
#: The codes of all reasons, in the order in which they are told.
CODES = ("phone", "county", "crop", "acres", "amount", "date")
#: Where an applicant's day begins first: Guam and the Northern Marianas, a day ahead of most of the others.
FIRST_TODAY = ZoneInfo("Pacific/Guam")
#: The states with DC, and the territories whose people may apply as well.
US_REGIONS = ("US", "PR", "GU", "VI", "MP", "AS")
MOST_ACRES = 50_000
MOST_AMOUNT = 250_000
MOST_PER_ACRE = 500


def reasons(payload: Mapping[str, Any], today: date) -> tuple[str, ...]:
    """The codes of every rule that the application breaks, in the order of CODES; none for a good one.

    `payload` meets the recipe's schema; `today` is the day after which a submission is in the future: see
    `latest_today`.
    """
    holds = {
        "phone": is_us_number(payload["phone"]),
        "county": payload["countyFips"] in counties.codes(),
        "crop": payload["crop"] in CROPS,
        "acres": _acres_fit(payload["acres"]),
        "amount": _amount_fits(payload["amountRequested"], payload["acres"]),
        "date": date.fromisoformat(payload["submittedOn"]) <= today,
    }
    return tuple(code for code in CODES if not holds[code])


def latest_today(now: datetime, office: tzinfo) -> date:
    """The latest day that it is today for an applicant of the United States, or for the office.

    A form that is signed in Guam on its Tuesday comes in on the Monday of the states, and is of today.
    """
    return max(now.astimezone(zone).date() for zone in (FIRST_TODAY, office))


def is_us_number(phone: str) -> bool:
    """Whether this is a valid number of the United States or one of its territories."""
    number = _parsed(phone)
    return number is not None and _exists(number) and _region(number) in US_REGIONS


def e164(phone: str) -> str | None:
    """The number in the form that every network dials (+13125550123), or None where it is none at all."""
    number = _parsed(phone)
    if number is None or not _exists(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _parsed(phone: str) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(phones.number(phone), "US")
    except (phones.Unreadable, phonenumbers.NumberParseException):
        return None


def _region(number: phonenumbers.PhoneNumber) -> str | None:
    """The region of a number, by its area code."""
    return phonenumbers.region_code_for_number(number) or ("AS" if _is_samoan_fiction(number) else None)


def _exists(number: phonenumbers.PhoneNumber) -> bool:
    return phonenumbers.is_valid_number(number) or _is_samoan_fiction(number)


def _is_samoan_fiction(number: phonenumbers.PhoneNumber) -> bool:
    # Of American Samoa the library knows only exchanges in use; 555-01xx is kept free in every area code.
    return number.country_code == 1 and (number.national_number or 0) // 100 == 68455501


def _acres_fit(acres: float) -> bool:
    exact = _exact(acres)
    return exact is not None and 0 < exact <= MOST_ACRES


def _amount_fits(amount: float, acres: float) -> bool:
    exact, land = _exact(amount), _exact(acres)
    if exact is None or land is None:
        return False
    return 0 < exact <= min(Fraction(MOST_AMOUNT), MOST_PER_ACRE * land)


def _exact(number: float) -> Fraction | None:
    """The number as it is written, or None where it is not finite."""
    # By way of its decimal text: 33.3 acres are what the applicant wrote, not the nearest binary fraction.
    try:
        return Fraction(str(number))
    except ValueError:
        return None
