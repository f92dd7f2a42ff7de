"""Between the API's JSON and frozen records: camelCase and fields, RFC 3339 and aware datetimes."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

Record = TypeVar("Record")


@dataclass(frozen=True, slots=True)
class _Field:
    """How a field is read: its name here and in JSON, whether it must be there, and what makes its value."""

    name: str
    written: str
    needed: bool
    read: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Named:
    """In `Annotated[type, Named(...)]`: the name that JSON has for the field."""

    written: str


def record(kind: type[Record], document: Mapping[str, Any]) -> Record:
    """Read a record; what the document has beyond its fields is left out.

    Raises KeyError where a field is not there that has no default.
    """
    found = {
        each.name: each.read(document[each.written])
        for each in _plan(kind)
        if each.needed or each.written in document
    }
    return kind(**found)


def document(found: Any) -> dict[str, Any]:
    """A record as the JSON that it was read from."""
    return {each.written: _written(getattr(found, each.name)) for each in _plan(type(found))}


def stamp(when: datetime) -> str:
    """A time as RFC 3339 in UTC; one without a zone is meant as this machine's clock has it."""
    return when.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _written(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    if isinstance(value, tuple):
        return [_written(each) for each in value]
    if isinstance(value, Mapping):
        return {str(name): _written(each) for name, each in value.items()}
    return document(value) if is_dataclass(value) else value


_PLANS: dict[type[Any], tuple[_Field, ...]] = {}


def _plan(kind: type[Any]) -> tuple[_Field, ...]:
    if kind not in _PLANS:
        hints = get_type_hints(kind, include_extras=True)
        _PLANS[kind] = tuple(_field(each, hints[each.name]) for each in fields(kind))
    return _PLANS[kind]


def _field(found: Field[Any], kind: Any) -> _Field:
    written = _camel(found.name)
    if get_origin(kind) is Annotated:
        kind, mark = get_args(kind)
        written = mark.written
    needed = found.default is MISSING and found.default_factory is MISSING
    return _Field(found.name, written, needed, _reader(kind))


def _reader(kind: Any) -> Callable[[Any], Any]:
    """What turns a JSON value into this type."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType) and types.NoneType in inside:
        [some] = (_reader(each) for each in inside if each is not types.NoneType)
        return lambda value: None if value is None else some(value)
    if origin is tuple:
        each = _reader(inside[0])
        return lambda value: tuple(map(each, value))
    if origin is Mapping and inside[1] is not Any:
        key, value = map(_reader, inside)
        return lambda found: {key(name): value(each) for name, each in found.items()}
    if kind in (datetime, date):
        return kind.fromisoformat  # type: ignore[no-any-return]
    if isinstance(kind, type) and is_dataclass(kind):
        return lambda value: record(kind, value)
    return lambda value: value


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda found: found[1].upper(), name)
