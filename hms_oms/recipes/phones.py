"""Parse what people write as a phone number: one or several numbers, with words about them.

Whether a number exists is for others to tell. Here the parts of the text are told apart, and what is neither
a number nor a word about one is named.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

import phonenumbers

from hms_oms.recipes import likely_values

#: Without an area code a number has seven digits; what has fewer is none.
FEWEST_DIGITS = 7
#: The longest number of the world, with what is dialled in front of it.
MOST_DIGITS = 18

_NO_DIGITS = re.compile(r"\D+", re.ASCII)
_PLAIN = re.compile(r"\+?[\d\s().-]+", re.ASCII)
_NUMBER = re.compile(r"\+?[(\d](?:[\d\s().\u2010-\u2015/\u00b7-]*\d)?\)?", re.ASCII)
#: An extension, also one whose number was left out.
_EXTENSION = re.compile(r"[,;]?\s*(?:\bextension|\bext|\bx|#)(?![a-z])\.?:?\s*\d{0,6}\s*$", re.IGNORECASE)
_LABEL = re.compile(
    r"\b(?P<label>cell(?:ular)?|mobile|mob|home|work|office|business|phone|telephone|tel|landline|land line"
    r"|fax|main|day|daytime|evening|text|texts|preferred|call|number|no|[chmw])\b(?:\s*phone\b)?[.:]?",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"\s+(?:or|and|alt\.?|also)[:\s]+|\s*[;|&\n]\s*|\s+/\s+"
    # A comma, or nothing but the word about the next number; an extension belongs to the one in front.
    r"|(?:(?<=\d)|\s*,)\s+(?!ext|x)(?=[a-z]+[.:]?\s*[+(]?\d)|\s*,\s+(?=[+(]?\d)",
    re.IGNORECASE,
)
_TEXTS = re.compile(r"cell(?:ular)?|mob(?:ile)?|texts?|[cm]", re.IGNORECASE)


class Unreadable(ValueError):
    """The text is no phone number; the message says why, and which part is not understood."""


@dataclass(frozen=True, slots=True)
class _Written:
    """A number as it is written, and what is said about it."""

    number: str
    label: str = ""


def number(text: str) -> str:
    """The number in the text that a text message should go to, as it is written there.

    Of several it is the one called a cell, else the first that is no fax. Raises Unreadable.
    """
    if _PLAIN.fullmatch(text) and _digits(text) in range(FEWEST_DIGITS, MOST_DIGITS + 1):
        return text
    text = unicodedata.normalize("NFKC", text)
    if likely_values.shortened(text):
        raise Unreadable(
            "a spreadsheet has shortened the number, and its last digits may be lost: write it out"
        )
    try:
        written = [_part(part) for part in _parts(text)]
    except Unreadable:
        # Letters may stand for digits, as in 312-555-CORN.
        if _exists(text):
            return text
        if _digits(text) < FEWEST_DIGITS:
            raise Unreadable(f"a phone number has {FEWEST_DIGITS} digits at least") from None
        raise
    if not written:
        raise Unreadable(f"a phone number has {FEWEST_DIGITS} digits at least")
    cells = [number for number in written if _TEXTS.fullmatch(number.label)]
    voices = [number for number in written if number.label.lower() != "fax"]
    return [*cells, *voices, *written][0].number


def is_readable(text: str) -> bool:
    """Whether there is a number in the text, and nothing that is not understood."""
    try:
        number(text)
    except Unreadable:
        return False
    return True


def _parts(text: str) -> list[str]:
    parts = [part.strip() for part in _BETWEEN.split(text)]
    # A slash may stand within a number as well as between two.
    halves = [half.strip() for part in parts for half in _halves(part)]
    return [half for half in halves if half]


def _halves(part: str) -> list[str]:
    halves = part.split("/")
    return halves if len(halves) > 1 and all(_digits(half) >= FEWEST_DIGITS for half in halves) else [part]


def _part(text: str) -> _Written:
    raw = _EXTENSION.sub("", text)
    labels = [label["label"] for label in _LABEL.finditer(raw)]
    raw = re.sub(r"\(\s*\)|\[\s*\]", " ", _LABEL.sub(" ", raw)).strip(" \t\r:,.-\u2013\u2014")
    if _NUMBER.fullmatch(raw) and FEWEST_DIGITS <= _digits(raw) <= MOST_DIGITS:
        return _Written(raw, labels[0] if labels else "")
    strange = _NUMBER.sub(" ", raw).strip(" ()") or raw
    raise Unreadable(f"{strange[:30]!r} is not understood: write the number alone")


def _digits(text: str) -> int:
    return len(_NO_DIGITS.sub("", text))


def _exists(text: str) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(text, "US"))
    except phonenumbers.NumberParseException:
        return False
