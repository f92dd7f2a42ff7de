"""The base of all documents: stdlib dataclasses, which pydantic reads as well, if it is there.

JSON has the fields in camelCase and times as RFC 3339 in UTC. A docstring describes its document in OpenAPI.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, ClassVar, Self, get_type_hints

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Named:
    """In `Annotated[type, Named(...)]`: the name that JSON has for the field."""

    written: str


class _InUtc:
    """Has pydantic show a time in UTC, whichever zone the session with the database has."""

    def __get_pydantic_core_schema__(self, kind: Any, handler: Callable[[Any], Any]) -> dict[str, Any]:
        shown = {"type": "no-info", "function": _in_utc}
        return {"type": "function-after", "function": shown, "schema": handler(kind)}


Moment = Annotated[datetime, _InUtc()]


class Document:
    """A document of the API. What it holds is checked once more by the API before it goes out."""

    __slots__ = ()
    __pydantic_config__: ClassVar[Json]

    def __init_subclass__(cls) -> None:
        """Tell pydantic what JSON calls the fields."""
        cls.__pydantic_config__ = {
            "alias_generator": partial(json_name, cls),
            "validate_by_name": True,
            "revalidate_instances": "always",
            "json_schema_serialization_defaults_required": True,
            "json_schema_extra": {"description": _in_json(inspect.cleandoc(cls.__doc__ or ""))},
        }

    @classmethod
    def of(cls, source: Any, /, **more: Any) -> Self:
        """A document with what `source` has under the names of its fields, or with `more` instead."""
        names = [field.name for field in fields(cls) if field.name not in more]  # type: ignore[arg-type]
        return cls(**{name: getattr(source, name) for name in names}, **more)


_HINTS: dict[type[Any], Json] = {}


def json_name(kind: type[Any], name: str) -> str:
    """What JSON calls a field."""
    marks = getattr(_hints(kind)[name], "__metadata__", ())
    return next((mark.written for mark in marks if isinstance(mark, Named)), camel(name))


def _hints(kind: type[Any]) -> Json:
    # To read the annotations of a class takes long, and each of its fields is asked for.
    if kind not in _HINTS:
        _HINTS[kind] = get_type_hints(kind, include_extras=True)
    return _HINTS[kind]


def camel(name: str) -> str:
    """`sla_minutes` as `slaMinutes`."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def _in_utc(when: datetime) -> datetime:
    return when.astimezone(UTC)


def _in_json(words: str) -> str:
    """A docstring with the names and values of JSON."""
    words = re.sub(r"`(\w+)`", lambda match: f"`{camel(match[1])}`", words)
    for here, there in (("None", "null"), ("False", "false"), ("True", "true")):
        words = re.sub(rf"\b{here}\b", there, words)
    return words
