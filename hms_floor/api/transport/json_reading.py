"""Read JSON bodies strictly: bounded depth and size, and only values that the ledger can store."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from starlette.requests import Request

from hms_floor.api.transport.problems import Problem, unprocessable

#: How deep arrays and objects may stand in each other.
MOST_DEPTH = 64
#: The longest whole number, in digits.
MOST_DIGITS = 400

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
# What Python reads and PostgreSQL refuses: a NUL, and one half of a pair of surrogates.
_SUSPICIOUS = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


class StrictRequest(Request):
    """A request whose JSON is read strictly."""

    async def json(self) -> Any:
        """The body's JSON. Raises Problem, naming the field that cannot be kept."""
        return parse(await self.body())


def parse(body: bytes) -> Any:
    """Read a JSON document. Raises Problem: 400 for what is none, 422 for a field that cannot be kept."""
    if body.count(b"[") + body.count(b"{") > MOST_DEPTH and _depth(body) > MOST_DEPTH:
        raise Problem(400, f"the body is nested deeper than {MOST_DEPTH} levels")
    try:
        document = json.loads(
            body.decode("utf-8-sig"), parse_constant=_no_number, parse_float=_float, parse_int=_int
        )
    except UnicodeDecodeError:
        raise Problem(
            400, "the body is not UTF-8 text: JSON is sent as UTF-8 and in no other encoding"
        ) from None
    except json.JSONDecodeError as error:
        raise Problem(400, f"the body is not JSON: {error.msg} at character {error.pos}") from None
    except (ValueError, RecursionError) as error:
        raise Problem(400, f"the body is not JSON: {error}") from None
    if _SUSPICIOUS.search(body):
        faults = list(_unkeepable(document, ""))
        if faults:
            raise unprocessable(
                *((field.strip("."), "holds a character that no text has") for field in faults)
            )
    return document


def _depth(body: bytes) -> int:
    deepest = depth = 0
    for bracket in _STRING.sub(b"", body).translate(None, _BRACKETS):
        depth += 1 if bracket in b"[{" else -1
        deepest = max(deepest, depth)
    return deepest


def _unkeepable(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, str):
        if "\0" in value or not _encodes(value):
            yield place or "body"
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _unkeepable(name, f"{place}.(name)")
            yield from _unkeepable(item, f"{place}.{name}" if _encodes(name) else f"{place}.(name)")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _unkeepable(item, f"{place}.{number}")


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number")


def _float(written: str) -> float:
    number = float(written)
    if not math.isfinite(number):
        raise ValueError(f"{written[:20]} is too large a number")
    return number


def _int(written: str) -> int:
    if len(written) > MOST_DIGITS:
        raise ValueError("a number is too long")
    return int(written)
