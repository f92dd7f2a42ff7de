"""Validate a payload against the JSON schema of its job type, and word its faults."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from hms_oms.recipes import counties, likely_values, phones
from hms_oms.runtime.text_decoding import shown

_DIGITS = re.compile(r"\^(?:\[0-9\]|\\d)\{(?P<count>[0-9]+)\}\$")
_WORDS = (
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


def faults(schema: Mapping[str, Any], payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every fault of the payload, each by its field; `payload` for those of the whole."""
    return sorted(
        (".".join(str(part) for part in error.absolute_path) or "payload", reason(error))
        for error in validator(schema).iter_errors(payload)
    )


def validator(schema: Mapping[str, Any]) -> Validator:
    """What holds a payload against a schema; formats besides the usual ones are `phone` and `us-county`."""
    made: Validator = _Validator(schema, format_checker=_FORMATS)
    return made


def matches(text: str, pattern: str) -> bool:
    """Whether a text meets the `pattern` of a schema."""
    return _compiled(pattern).search(text) is not None


def reason(error: ValidationError) -> str:
    """What is wrong, with the likely value if a spreadsheet has changed it."""
    value, schema = error.instance, error.schema if isinstance(error.schema, Mapping) else {}
    digits = _DIGITS.fullmatch(str(schema.get("pattern", "")))
    if digits and error.validator in ("pattern", "type") and isinstance(value, str | int | float):
        return no_code(value, int(digits["count"]))
    if error.validator == "format" and error.validator_value == "date" and isinstance(value, str):
        return no_day(value)
    if error.validator == "format" and error.validator_value == "phone" and isinstance(value, str):
        return no_phone(value)
    if error.validator == "format" and error.validator_value == "us-county":
        return f"{value}: {counties.fault(str(value))}"
    if error.validator == "pattern" and schema.get("format") == "date":
        return f"{value}: is the year meant?"
    return error.message


def no_code(value: str | float, digits: int) -> str:
    """Why a value is no code of so many digits."""
    count = _WORDS[digits] if digits < len(_WORDS) else str(digits)
    words = str(value)
    raw = words if words.isascii() and words.isalnum() and len(words) <= digits + 5 else shown(words)
    return suggesting(f"{raw}: {count} digits are needed", likely_values.code(words, digits))


def no_day(text: str) -> str:
    """Why a text is no date."""
    return suggesting(f"must be a date written YYYY-MM-DD, not {shown(text)}", likely_values.day(text))


def no_phone(text: str) -> str:
    """Why a text is no phone number."""
    try:
        phones.number(text)
    except phones.Unreadable as error:
        return f"{shown(text)}: {error}"
    return f"{shown(text)} is a phone number"


def suggesting(why: str, value: str | None) -> str:
    """A reason, and the value that was probably meant."""
    return why if value is None else f"{why}; {value}?"


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str]:
    # In a schema $ is the end; in Python it stands before a last newline, too.
    ends = pattern.endswith("$") and not pattern.endswith("\\$")
    return re.compile(pattern[:-1] + r"\Z" if ends else pattern)


def _pattern(_: Any, pattern: str, instance: Any, __: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not matches(instance, pattern):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


_Validator: Any = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]
_FORMATS = FormatChecker()
_FORMATS.checkers = {
    **Draft202012Validator.FORMAT_CHECKER.checkers,
    "phone": (lambda value: not isinstance(value, str) or phones.is_readable(value), ()),
    "us-county": (lambda value: not isinstance(value, str) or counties.fault(value) is None, ()),
}


def not_finite(document: Any, path: str = "") -> Iterator[str]:
    """The paths of the numbers that are none or have no end: they pass every schema."""
    if isinstance(document, float) and not math.isfinite(document):
        yield path or "document"
    parts: Any = ()
    if isinstance(document, Mapping):
        parts = document.items()
    elif isinstance(document, list):
        parts = enumerate(document)
    for name, part in parts:
        yield from not_finite(part, f"{path}.{name}" if path else str(name))
