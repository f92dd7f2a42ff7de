"""The fields of a payload that hold personal data: marked `personal = true` in its schema, and phones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

#: A field, by the names that lead to it.
Path = tuple[str, ...]


def paths(schema: Mapping[str, Any]) -> tuple[Path, ...]:
    """The fields with personal data; a list whose items hold some counts as a whole, and they beside it.

    A phone is personal unless it is marked `personal = false`.
    """
    return tuple(_paths(schema, ()))


def faults(schema: Mapping[str, Any], where: str = "payload") -> Iterator[str]:
    """Every mark that is neither true nor false, or stands where no field is."""
    for name, field in _fields(schema):
        inner = f"{where}.properties.{name}"
        if not isinstance(field.get("personal", False), bool):
            yield f"{inner}.personal: must be true or false, not {field['personal']!r}"
        yield from faults(field, inner)


def _paths(schema: Mapping[str, Any], above: Path) -> Iterator[Path]:
    for name, field in _fields(schema):
        path = (*above, name)
        items = field.get("items")
        inner = list(_paths(items, path)) if isinstance(items, Mapping) else []
        if is_personal(field) or inner or (isinstance(items, Mapping) and is_personal(items)):
            yield path
            # The results of parts repeat what an item holds.
            yield from inner
        else:
            yield from _paths(field, path)


def _fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    fields = schema.get("properties", {})
    if isinstance(fields, Mapping):
        yield from ((name, field) for name, field in fields.items() if isinstance(field, Mapping))


def is_personal(field: Mapping[str, Any]) -> bool:
    """Whether a field itself holds personal data, by its schema."""
    return bool(field.get("personal", field.get("format") == "phone"))
