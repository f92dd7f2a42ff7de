"""Recipes: what may be started, and what each job type's payload must hold."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from hms_floor.api.access import Guarded
from hms_floor.api.app_state import TheAppState
from hms_floor.api.responses import ops as answers

router = APIRouter(route_class=Guarded, tags=["recipes"])


@router.get("/recipes", response_model=answers.Recipes)
async def known(app_state: TheAppState) -> dict[str, Any]:
    """Every job type that may be started."""
    return {
        "recipes": [
            {
                "type": recipe.type,
                "summary": recipe.summary,
                "queue": recipe.queue,
                "slaMinutes": recipe.sla_minutes,
                "key": recipe.key,
                "steps": [step.name for step in recipe.steps],
                "payload": dict(recipe.payload),
            }
            for recipe in app_state.recipes.values()
        ]
    }
