"""Compare two payloads under a schema: order of keys and notation of numbers do not matter."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

#: A field that a payload does not have.
ABSENT = "absent"

#: The known and the sent value of each field that differs.
Differences = dict[str, tuple[Any, Any]]

_NUMBERS = frozenset({"number", "integer"})


def differences(
    schema: Mapping[str, Any], known: Mapping[str, Any], sent: Mapping[str, Any], *, erased: bool = False
) -> Differences:
    """The fields in which `sent` means something else than `known`; a nested one as `address.county`.

    Where personal data was `erased` from what is known, nothing can be said of a field that is not there.
    """
    pairs = dict(_differing(schema, known, sent, ""))
    return {field: pair for field, pair in pairs.items() if not erased or pair[0] != ABSENT}


def meaning(schema: Any, value: Any) -> Any:
    """A value in the one form that all values of the same meaning have; it can be compared and hashed."""
    if isinstance(value, Mapping):
        return frozenset((name, meaning(_of_field(schema, name), item)) for name, item in value.items())
    if isinstance(value, list | tuple):
        items = schema.get("items") if isinstance(schema, Mapping) else None
        return tuple(meaning(items, item) for item in value)
    number = _number(schema, value)
    # True is 1 to Python, and nothing else to JSON.
    return (type(value).__name__, value) if number is None else ("number", number)


def _differing(
    schema: Any, known: Mapping[str, Any], sent: Mapping[str, Any], prefix: str
) -> list[tuple[str, tuple[Any, Any]]]:
    differing: list[tuple[str, tuple[Any, Any]]] = []
    for name in dict.fromkeys([*known, *sent]):
        first, other = known.get(name, ABSENT), sent.get(name, ABSENT)
        inner = _of_field(schema, name)
        if name in known and name in sent and meaning(inner, first) == meaning(inner, other):
            continue
        if isinstance(first, Mapping) and isinstance(other, Mapping):
            differing += _differing(inner, first, other, f"{prefix}{name}.")
        else:
            differing.append((f"{prefix}{name}", (first, other)))
    return differing


def _of_field(schema: Any, name: str) -> Any:
    return schema.get("properties", {}).get(name) if isinstance(schema, Mapping) else None


def _number(schema: Any, value: Any) -> Decimal | None:
    """The number that a value is; a text is one if the schema asks for a number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str):
        named = schema.get("type", ()) if isinstance(schema, Mapping) else ()
        if not _NUMBERS & ({named} if isinstance(named, str) else set(named)):
            return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
