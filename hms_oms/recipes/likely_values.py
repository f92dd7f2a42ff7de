"""The likely value behind one that a spreadsheet has changed: lost zeros, dates as numbers, thousands apart.

What is returned is only ever suggested to people: it is never taken in place of what was sent.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import date, timedelta

#: Zeros that a code may have lost in front: more would make a code of nearly nothing.
_MOST_ZEROS = 2
#: Day 1 of a spreadsheet is 1900-01-01; it believes in a 1900-02-29, so that day 0 moves by one.
_DAY_ZERO = date(1899, 12, 30)
#: The numbers of days that are taken for dates: 1954 to 2119.
_DAYS = range(20_000, 80_000)
_DAY = re.compile(r"(?P<first>\d{1,2})(?P<sign>[./-])(?P<second>\d{1,2})(?P=sign)(?P<year>\d{4})")
_SET_APART = re.compile(r"\d{1,3}(?P<sign>[,. '\u00a0\u2009\u202f])\d{3}(?:(?P=sign)\d{3})*(?:[.,]\d+)?")
_DECIMAL_COMMA = re.compile(r"\d+,\d{1,2}")
#: Numbers as spreadsheets shorten them: the digits behind are lost.
_SHORTENED = re.compile(r"[+-]?\d(?:[.,]\d+)?[eE]\+?\d+")


def shortened(text: str) -> bool:
    """Whether this is a long number as a spreadsheet shows it, as in 3.12555E+09."""
    return bool(_SHORTENED.fullmatch(text.strip()))


def code(text: str, digits: int) -> str | None:
    """The code of so many digits that was probably meant; None if there is nothing to go by."""
    if shortened(text):
        return None
    plain = unicodedata.normalize("NFKC", text).strip().lstrip("'")
    plain = re.sub(r"\.0+$", "", plain)
    # The Census writes its codes with their level in front, as in 0500000US19153.
    plain = re.sub(r"^\d*US(?=\d)", "", plain)
    plain = re.sub(r"(?<=\d)[ -](?=\d)", "", plain)
    if not re.fullmatch("[0-9]+", plain):
        return None
    lost = digits - len(plain)
    return plain.zfill(digits) if 0 <= lost <= _MOST_ZEROS and lost < digits else None


def day(text: str) -> str | None:
    """The day, as YYYY-MM-DD, that was probably meant; None if it may be several or none."""
    plain = re.sub(r"\.0+$", "", text.strip())
    try:
        if re.fullmatch("[0-9]{5}", plain) and int(plain) in _DAYS:
            return str(_DAY_ZERO + timedelta(days=int(plain)))
        if timed := re.fullmatch(r"(\d{4}-\d{2}-\d{2})[T ][\d:.]+Z?", text.strip(), re.ASCII):
            return str(date.fromisoformat(timed[1]))
        if written := re.fullmatch(r"(\d{4})([/.])(\d{1,2})\2(\d{1,2})", plain, re.ASCII):
            return str(date(int(written[1]), int(written[3]), int(written[4])))
        return _day_of(_DAY.fullmatch(plain))
    except ValueError:
        return None


def _day_of(written: re.Match[str] | None) -> str | None:
    if written is None:
        return None
    first, second, year = (int(written[part]) for part in ("first", "second", "year"))
    if first == second or second > 12:
        return str(date(year, first, second))
    # Of two numbers that may both be the month nobody knows which one is.
    return str(date(year, second, first)) if first > 12 else None


def number(text: str) -> str | None:
    """The plain decimal number that was probably meant; None if there is nothing to go by."""
    plain = text.strip().strip("$").strip()
    if apart := _SET_APART.fullmatch(plain):
        return plain.replace(apart["sign"], "").replace(",", ".")
    if _DECIMAL_COMMA.fullmatch(plain):
        return plain.replace(",", ".")
    return plain if plain != text.strip() and re.fullmatch(r"[0-9]+(?:\.[0-9]+)?", plain) else None


def whole_number(text: str) -> str | None:
    """The whole number in plain digits that was probably meant; None if there is nothing to go by."""
    plain = re.sub(r"\.0+$", "", text.strip().lstrip("#'"))
    guess = plain if re.fullmatch("[0-9]+", plain) else number(plain)
    return guess if guess and guess.isdigit() and guess != text and guess.strip("0") else None
