"""Job types: which can be started, and the schema of their payloads."""

from __future__ import annotations

from fastapi import APIRouter

from hms_floor.api.access.guard import Guarded
from hms_floor.api.app_state import TheAppState
from hms_floor.api.responses import Recipes
from hms_oms.documents.jobs import JobType
from hms_oms.recipes.recipes import Recipe

router = APIRouter(route_class=Guarded, tags=["recipes"])


@router.get("/recipes")
async def known(app_state: TheAppState) -> Recipes:
    """Every job type that may be started."""
    return Recipes(tuple(_document(recipe) for recipe in app_state.recipes.values()))


def _document(recipe: Recipe) -> JobType:
    steps = tuple(step.name for step in recipe.steps)
    return JobType.of(recipe, steps=steps, columns=tuple(column.name for column in recipe.columns))
