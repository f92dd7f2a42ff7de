"""Between the API's JSON and frozen records: camelCase and fields, RFC 3339 and aware datetimes."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from hms_oms.documents.document import json_name

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class _Field:
    """How a field is read: its name here and in JSON, and what makes its value.

    A document need not have it if it may be None, or has a default.
    """

    name: str
    written: str
    optional: bool
    has_default: bool
    read: Callable[[Any], Any]


def record(kind: type[Record], document: Mapping[str, Any]) -> Record:
    """Read a record; what the document has beyond its fields is left out.

    A field that an older API does not know has its default, or is None. Raises KeyError if it cannot be.
    """
    values = {
        field.name: field.read(document.get(field.written) if field.optional else document[field.written])
        for field in _plan(kind)
        if field.written in document or not field.has_default
    }
    return kind(**values)


def document(source: Any) -> dict[str, Any]:
    """A record as the JSON that it was read from."""
    return {field.written: _written(getattr(source, field.name)) for field in _plan(type(source))}


def stamp(when: datetime) -> str:
    """A time as RFC 3339 in UTC; one without a zone is meant as this machine's clock has it."""
    return when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def day(when: date | None) -> str | None:
    """A day as 2026-11-28, or a time as RFC 3339 in UTC."""
    if isinstance(when, datetime):
        return stamp(when)
    return when.isoformat() if when else None


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, tuple):
        return [_written(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): _written(item) for name, item in value.items()}
    return document(value) if is_dataclass(value) else value


_PLANS: dict[type[Any], tuple[_Field, ...]] = {}


def _plan(kind: type[Any]) -> tuple[_Field, ...]:
    if kind not in _PLANS:
        hints = get_type_hints(kind)
        _PLANS[kind] = tuple(
            _Field(
                field.name,
                json_name(kind, field.name),
                types.NoneType in get_args(hints[field.name]),
                field.default is not MISSING,
                _reader(hints[field.name]),
            )
            for field in fields(kind)
        )
    return _PLANS[kind]


def _reader(kind: Any) -> Callable[[Any], Any]:
    """What turns a JSON value into this type."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType) and types.NoneType in inside:
        [some] = (_reader(part) for part in inside if part is not types.NoneType)
        return lambda value: None if value is None else some(value)
    if origin is tuple:
        item = _reader(inside[0])
        return lambda value: tuple(map(item, value))
    if origin is Mapping and inside[1] is not Any:
        key, item = map(_reader, inside)
        return lambda value: {key(name): item(held) for name, held in value.items()}
    if kind in (datetime, date):
        return kind.fromisoformat  # type: ignore[no-any-return]
    if isinstance(kind, type) and is_dataclass(kind):
        return lambda value: record(kind, value)
    return lambda value: value
