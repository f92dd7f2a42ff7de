"""Convert the cells of a row by the kinds of their columns, and check them against the payload schema."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from jsonschema import ValidationError
from jsonschema.protocols import Validator

from hms_act import accept
from hms_oms.recipes import counties, likely_values, payload_schema, phones
from hms_oms.recipes.recipes import Column, Recipe
from hms_oms.runtime.text_decoding import UNDECODABLE, shown

Convert = Callable[[str], Any]
Check = Callable[[Any], str | None]

#: Cells of each column that are remembered as good, with their values, since many rows repeat them; none that
#: has more characters than this.
MOST_REMEMBERED, LONGEST_REMEMBERED = 4000, 40
_UNKNOWN = object()
#: What an empty cell of an optional field means: the payload goes without it.
_LEFT_OUT = object()


class BadCell(Exception):
    """A cell cannot be read as its column demands."""

    def __init__(self, column: str, reason: str) -> None:
        self.column = column
        self.reason = reason
        super().__init__(f"{column}: {reason}")


class Form:
    """A recipe's columns and payload schema, made ready once for the reading of many rows.

    `positions` says in which cell of a row each of the recipe's columns stands.
    """

    def __init__(self, recipe: Recipe, positions: Sequence[int]) -> None:
        self._recipe = recipe
        validator = payload_schema.validator(recipe.payload)
        properties = recipe.payload.get("properties", {})
        required = set(recipe.payload.get("required", ()))
        self._columns: list[tuple[str, int, Convert, dict[str, Any]]] = [
            (
                column.field,
                place,
                _reader(
                    column,
                    properties.get(column.field, True),
                    validator,
                    empty=None if column.field in required else _LEFT_OUT,
                ),
                {},
            )
            for column, place in zip(recipe.columns, positions, strict=True)
        ]
        self._column_of = {column.field: column.name for column in recipe.columns}
        self._first = recipe.columns[0].name
        self._whole = None if _columns_say_all(recipe) else validator

    def payload(self, cells: Sequence[str]) -> dict[str, Any]:
        """The payload that the row asks for. Raises BadCell for the first fault in the recipe's order."""
        payload: dict[str, Any] = {}
        count = len(cells)
        for field, place, read, good in self._columns:
            text = cells[place] if place < count else ""
            value = good.get(text, _UNKNOWN)
            if value is _UNKNOWN:
                value = read(text)
                if len(good) < MOST_REMEMBERED and len(text) <= LONGEST_REMEMBERED:
                    good[text] = value
            if value is not _LEFT_OUT:
                payload[field] = value
        if self._whole is not None:
            self._check_whole(self._whole, payload)
        fault = accept.key_fault(accept.key_of(self._recipe, payload))
        if fault:
            raise BadCell(self._column_of.get(str(self._recipe.key), self._first), fault)
        return payload

    def _check_whole(self, validator: Validator, payload: dict[str, Any]) -> None:
        fields = list(self._column_of)
        faults = []
        for error in validator.iter_errors(payload):
            field = str(error.absolute_path[0]) if error.absolute_path else ""
            # What is wrong with the row as a whole is told under its first column.
            faults.append((fields.index(field) if field in fields else 0, _phrase(error)))
        if faults:
            place, reason = min(faults)
            raise BadCell(self._column_of[fields[place]], reason)


def _reader(column: Column, kind: Any, validator: Validator, *, empty: Any) -> Convert:
    """The function that converts a cell of this column; it raises BadCell.

    `empty` is what an empty one stands for; None if there must be a value.
    """
    convert, check = _CONVERSIONS[column.kind], _check(column, kind, validator)

    def read(cell: str) -> Any:
        text = cell.strip()
        if not text and empty is not None:
            return empty
        try:
            value = convert(_legible(text))
        except ValueError as error:
            raise BadCell(column.name, str(error)) from None
        reason = check(value)
        if reason:
            raise BadCell(column.name, reason)
        return value

    return read


def _legible(text: str) -> str:
    if not text:
        raise ValueError("the value is missing")
    if "\0" in text:
        raise ValueError("the value holds a NUL character")
    if not text.isascii() and UNDECODABLE.search(text):
        raise ValueError("the value holds bytes that cannot be decoded: save the file as CSV UTF-8")
    return text


_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOST_DIGITS = 300


def _positive_integer(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > _MOST_DIGITS or int(text) == 0:
        why = f"must be a whole number above 0 in plain digits, not {shown(text)}"
        raise ValueError(payload_schema.suggesting(why, likely_values.whole_number(text)))
    return int(text)


def _number(text: str) -> int | float:
    if not _NUMBER.fullmatch(text):
        why = f"must be a plain decimal number such as 1234.5, not {shown(text)}"
        raise ValueError(payload_schema.suggesting(why, likely_values.number(text)))
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"is too large a number: {shown(text)}")
    return int(text) if len(text) <= _MOST_DIGITS and _WHOLE_NUMBER.fullmatch(text) else value


def _date(text: str) -> str:
    if not _DATE.fullmatch(text):
        raise ValueError(payload_schema.no_day(text))
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"there is no such day: {shown(text)}") from None
    return text


_CONVERSIONS: Mapping[str, Callable[[str], Any]] = {
    "text": str,
    "positive-integer": _positive_integer,
    "number": _number,
    "date": _date,
}


# A full schema validation costs many times the reading of a row. So each column gets a quick test made of
# what its conversion has not guaranteed already; where that is not enough, jsonschema has the word.

_GUARANTEED_TYPES = {
    "text": {"string"},
    "date": {"string"},
    "positive-integer": {"integer", "number"},
    "number": {"number"},
}
_NUMBER_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "minimum": operator.ge,
    "maximum": operator.le,
    "exclusiveMinimum": operator.gt,
    "exclusiveMaximum": operator.lt,
}
_TEXT_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "minLength": lambda text, least: len(text) >= least,
    "maxLength": lambda text, most: len(text) <= most,
    "pattern": payload_schema.matches,
}
_FORMAT_TESTS: Mapping[Any, Callable[[str, Any], bool]] = {
    "phone": lambda text, _: phones.is_readable(text),
    "us-county": lambda text, _: counties.fault(text) is None,
}
_ANNOTATIONS = {
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "$comment",
}


def _check(column: Column, kind: Any, validator: Validator) -> Check:
    """A check that tells what the schema of its field holds against a converted value, or None."""
    judge = validator.evolve(schema=kind)
    tests = _quick_tests(column.kind, kind)

    def judged(value: Any) -> str | None:
        error = next(judge.iter_errors(value), None)
        return _phrase(error) if error else None

    def check(value: Any) -> str | None:
        for holds, bound in tests or ():
            if not holds(value, bound):
                return judged(value)
        return None

    return judged if tests is None else check


def _quick_tests(kind: str, types: Any) -> list[tuple[Callable[[Any, Any], bool], Any]] | None:
    """Tests that together are as strict as the schema, or None where they cannot be."""
    if not isinstance(types, Mapping):
        return None
    known = _TEXT_TESTS if kind in ("text", "date") else _NUMBER_TESTS
    tests = []
    for keyword, bound in types.items():
        if keyword in known:
            tests.append((known[keyword], bound))
        elif keyword == "format" and kind == "text" and bound in _FORMAT_TESTS:
            tests.append((_FORMAT_TESTS[bound], bound))
        elif not _holds_anyway(kind, keyword, bound):
            return None
    return tests


def _holds_anyway(kind: str, keyword: str, bound: Any) -> bool:
    if keyword == "type":
        return isinstance(bound, str) and bound in _GUARANTEED_TYPES[kind]
    if keyword == "format":
        return kind == "date" and bound == "date"
    return keyword in _ANNOTATIONS


def _columns_say_all(recipe: Recipe) -> bool:
    """Whether a payload of good columns cannot but meet the schema as a whole."""
    whole = recipe.payload
    fields = {column.field for column in recipe.columns}
    return (
        whole.keys()
        <= {"$schema", "$id", "$defs", "type", "properties", "required", "additionalProperties"}
        | _ANNOTATIONS
        and whole.get("type", "object") == "object"
        and fields <= whole.get("properties", {}).keys()
        and set(whole.get("required", ())) <= fields
    )


_PHRASES = {
    "minimum": "is less than {}",
    "maximum": "is more than {}",
    "exclusiveMinimum": "is not more than {}",
    "exclusiveMaximum": "is not less than {}",
    "minLength": "is shorter than {} characters",
    "maxLength": "is longer than {} characters",
}


def _phrase(error: ValidationError) -> str:
    phrase = _PHRASES.get(str(error.validator))
    if phrase:
        return phrase.format(error.validator_value)
    reason = payload_schema.reason(error)
    return reason if len(reason) <= 200 else f"{reason[:197]}..."
