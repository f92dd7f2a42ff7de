"""Lists as PostgreSQL writes arrays, `{1,2,NULL}`: one value to be read, not an expression of many."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def literal(values: Sequence[Any]) -> str | Sequence[Any]:
    """The list as one text, for a parameter that is cast to an array type; as it is for other types."""
    try:
        return "{" + ",".join([_WRITTEN[type(value)](value) for value in values]) + "}"
    except KeyError:
        return values


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_WRITTEN: Mapping[type, Callable[[Any], str]] = {
    str: _quoted,
    int: str,
    float: repr,
    bool: lambda value: "t" if value else "f",
    type(None): lambda _: "NULL",
}
