"""Read a file with a JSON object on each line: each becomes a payload or a refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any

from hms_act import accept
from hms_act.files.csv_rows import Refusal, Row
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime import text_decoding
from hms_oms.runtime.errors import RequestRejected

#: A longer line is refused, in characters.
LONGEST_LINE = 100_000
#: How deep arrays and objects may stand in each other: what is deeper, many a reader of it cannot take.
MOST_DEPTH = 64


def read(stream: IO[bytes], recipe: Recipe) -> Iterator[Row | Refusal]:
    """Read the rows as they are asked for, in the order of the file; blank lines are left out."""
    for number, line in enumerate(text_decoding.lines(stream, LONGEST_LINE), start=1):
        if len(line) > LONGEST_LINE:
            yield Refusal(number, "line", f"is longer than {LONGEST_LINE:,} characters", line)
        elif line.strip():
            row = _row(number, line, recipe)
            yield replace(row, original=line.rstrip("\r\n")) if isinstance(row, Refusal) else row


def _row(number: int, line: str, recipe: Recipe) -> Row | Refusal:
    if text_decoding.UNDECODABLE.search(line):
        return Refusal(number, "line", "holds bytes that cannot be decoded: save the file as UTF-8")
    try:
        payload: Any = json.loads(line, parse_constant=_refuse)
        # Neither a NUL nor half a pair of surrogates can be kept; the latter no UTF-8 holds, either.
        json.dumps(payload, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        return Refusal(number, "line", f"is not JSON: {error}"[:300])
    if "\\u0000" in line:
        return Refusal(number, "line", "holds a NUL character")
    if not isinstance(payload, dict):
        return Refusal(number, "line", "is not a JSON object")
    if line.count("[") + line.count("{") > MOST_DEPTH and _is_deeper(payload, MOST_DEPTH):
        return Refusal(number, "line", f"is nested deeper than {MOST_DEPTH} levels")
    try:
        accept.check(recipe, payload)
    except RequestRejected as error:
        field, reason = error.faults[0]
        return Refusal(number, field, reason)
    return Row(number, payload)


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    held = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in held)


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is not a JSON number")
