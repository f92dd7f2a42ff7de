"""Cells: kinds of work by type, size and step; what a recipe may name as its size."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from hms_oms.order.cells import cell, first, size
from hms_oms.recipes import recipes
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime.errors import ConfigError
from tests.oms.test_hot import row
from tests.oms.test_ledger import order


@pytest.mark.parametrize(
    ("payload", "other"),
    [(100, 104), (100.0, 100), ([1, 2, 3], ["a", "b", "c"]), ("x" * 50, "x" * 60), (0, -3), (None, {})],
)
def test_about_the_same_size(payload: Any, other: Any) -> None:
    """Near numbers, lists as long, and texts that begin alike share a cell."""
    assert first("a:v1", "n", {"n": payload}) == first("a:v1", "n", {"n": other} if other != {} else {})


@pytest.mark.parametrize(
    ("payload", "other"), [(100, 120), (1, 2), ("corn", "hemp"), (True, False), ([1], [1, 2])]
)
def test_other_sizes(payload: Any, other: Any) -> None:
    """A fifth more is another cell, as are other words."""
    assert size(payload) != size(other)


def test_a_cell_tells_its_step(engine: sa.Engine) -> None:
    """The ledger and the code count alike, and every cell fits into its column."""
    there = cell("shop:order:v1", "2^3", 2)
    assert there != cell("shop:order:v2", "2^3", 2)
    assert there // 64 == cell("shop:order:v1", "2^3") // 64
    assert 0 <= there < 2**31
    with engine.connect() as connection:
        for step in (0, 2, 63, 90):
            query = sa.text("select oms.cell_at(:cell, cast(:step as smallint))")
            counted = connection.scalar(query, {"cell": there, "step": step})
            assert counted == cell("shop:order:v1", "2^3", step)


def test_jobs_are_accepted_with_their_cell(engine: sa.Engine, shop: Recipe) -> None:
    """By the field that the recipe names."""
    sized = replace(shop, size="number")
    cells = {row(engine, order(engine, sized, number).id)["cell"] for number in (8, 9, 1000)}
    assert cells == {first(shop.type, "number", {"number": number}) for number in (8, 9, 1000)}
    assert row(engine, order(engine, shop, 7).id)["cell"] == cell(shop.type)


@pytest.mark.parametrize(
    ("name", "fault"), [("acres", "is not a field of the payload"), ("phone", "holds personal data")]
)
def test_a_size_that_cannot_be_used_is_refused(name: str, fault: str) -> None:
    """When the recipe is read."""
    document = {
        "type": "a:v1",
        "queue": "a",
        "sla_minutes": 5,
        "size": name,
        "steps": [{"name": "a"}],
        "payload": {"properties": {"phone": {"type": "string", "format": "phone"}}},
    }
    with pytest.raises(ConfigError, match=fault):
        recipes.parse(document, "a.toml")
    assert (
        recipes.parse(document | {"size": "phone", "payload": {"properties": {"phone": {}}}}, "a").size
        == "phone"
    )
