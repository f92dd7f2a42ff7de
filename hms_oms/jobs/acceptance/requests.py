"""Requests as the statement that accepts them takes them: made ready beside the transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hms_oms.database import array_literals
from hms_oms.jobs.queries import search
from hms_oms.order import cells
from hms_oms.recipes.recipes import Recipe

# One text for many payloads is written, sent and read at once.
_as_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests of one type, in order; each is found by its `words`, if the recipe shows any."""

    keys: Sequence[str | None]
    payloads: str
    cells: str | Sequence[int]
    words: Sequence[str]

    @classmethod
    def of(
        cls, recipe: Recipe, payloads: Sequence[Mapping[str, Any]], keys: Sequence[str | None]
    ) -> Requests:
        """Those with these payloads and keys."""
        kinds = [cells.first(recipe.type, recipe.size, payload) for payload in payloads]
        asked = zip(payloads, keys, strict=True) if recipe.show else ()
        words = [search.words_of(recipe, payload, key) for payload, key in asked]
        return cls(keys, _as_json(list(payloads)), array_literals.literal(kinds), words)
