"""The OpenAPI document: what FastAPI derives from the routes, completed with problems, roles and payloads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from hms_floor.api.access.guard import Guarded
from hms_floor.api.access.roles import OPEN, TABLE
from hms_floor.api.openapi import examples
from hms_floor.api.openapi.operations import OPERATIONS, TAGS
from hms_floor.api.transport.problems import MEDIA_TYPE
from hms_oms.recipes import payload_schema
from hms_oms.recipes.recipes import Recipe, Recipes

router = APIRouter(route_class=Guarded, include_in_schema=False)

_PROBLEM = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "reason"],
                "properties": {"field": {"type": "string"}, "reason": {"type": "string"}},
            },
        },
    },
    "examples": [
        {
            "type": "about:blank",
            "title": "Unprocessable Entity",
            "status": 422,
            "detail": "slaMinutes: Input should be greater than 0",
            "errors": [{"field": "slaMinutes", "reason": "Input should be greater than 0"}],
        }
    ],
}
_WORDS = {
    "400": "The request cannot be read.",
    "401": "There is no badge, or it does not hold.",
    "403": "The badge does not allow this.",
    "404": "There is no such thing.",
    "408": "The body came too slowly.",
    "409": "It is not in a state for this.",
    "413": "The body is too large.",
    "414": "The address is too long.",
    "415": "The body is of another kind.",
    "422": "A field is wrong; `errors` names it.",
    "429": "The badge asks too often.",
    "503": "The database does not answer, or took too long.",
}


@router.get("/openapi.json")
async def document(request: Request) -> Any:
    """This document."""
    return request.app.openapi()


def describe(app: FastAPI, recipes: Recipes, root: str) -> None:
    """Have the application give its document, made once; it stands below the path `root`.

    Raises KeyError for a route that has no name in the table of operations.
    """
    for route in app.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                OPERATIONS[f"{method} {route.path_format}"]

    def made() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _complete(app, recipes)
            if root:
                app.openapi_schema["servers"] = [{"url": root}]
        return app.openapi_schema

    app.openapi = made  # type: ignore[method-assign]


def _complete(app: FastAPI, recipes: Recipes) -> dict[str, Any]:
    schema = get_openapi(
        title=app.title,
        summary=app.summary,
        version=app.version,
        routes=app.routes,
        tags=[{"name": name, "description": words} for name, words in TAGS.items()],
    )
    schemas = schema["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM
    schema["components"]["securitySchemes"] = {
        "badge": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            _describe(f"{method.upper()} {path}", operation)
    start = schema["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]
    start["examples"] = _examples_of_start(recipes)
    for parameter in schema["paths"]["/cycles"]["post"]["parameters"]:
        if parameter["name"] == "jobType":
            parameter["schema"] = {"type": "string", "enum": sorted(recipes)}
    queues = sorted({queue for recipe in recipes.values() for queue in recipe.queues})
    for name in ("Move", "BulkMove"):
        schemas[name]["properties"]["queue"]["enum"] = queues
    _describe_payloads(schemas, recipes)
    return schema


#: What anybody may ask for who knows its address: one that was revoked is not there.
BY_TOKEN = frozenset({"GET /oncall.ics"})


def _describe(action: str, operation: dict[str, Any]) -> None:
    roles = TABLE[action]
    operation["operationId"] = OPERATIONS[action]
    operation["summary"] = re.split(r"[.:;](?:\s|$)", operation["description"])[0]
    _exemplify(operation)
    answers = operation["responses"]
    answers.pop("422", None)
    statuses = ["400", "414", "422", "429", "503"]
    if roles != OPEN:
        operation["security"] = [{"badge": []}]
        operation["description"] += f"\n\nRoles: {', '.join(sorted(roles))}."
        statuses += ["401", "403", "404", "409"]
    if action in BY_TOKEN:
        statuses += ["404"]
    if not action.startswith("GET"):
        statuses += ["408", "413", "415"]
    for status in sorted(set(statuses)):
        reference = {"schema": {"$ref": "#/components/schemas/Problem"}}
        answers.setdefault(status, {"description": _WORDS[status], "content": {MEDIA_TYPE: reference}})


def _exemplify(operation: dict[str, Any]) -> None:
    """Give the JSON body of an operation its example; that of a job to start stands with each job type."""
    body = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if body is not None and operation["operationId"] != "startJob":
        body["example"] = examples.EXAMPLES.get(operation["operationId"], examples.REASONED)


def _describe_payloads(schemas: dict[str, Any], recipes: Recipes) -> None:
    """Tell of each job type what its payload must hold."""
    start = schemas.pop("Start")
    kinds = []
    for recipe in recipes.values():
        name = f"Start {recipe.type}".replace(" ", "_").replace(":", "_")
        schemas[name] = _start(start, recipe)
        kinds.append({"$ref": f"#/components/schemas/{name}"})
    schemas["Start"] = {"oneOf": kinds, "title": "Start"}


def _start(start: Mapping[str, Any], recipe: Recipe) -> dict[str, Any]:
    payload = {"title": f"Payload of {recipe.type}", **recipe.payload}
    properties = start["properties"] | {
        "jobType": {"type": "string", "const": recipe.type, "title": "Job type"},
        "payload": payload,
    }
    return {**start, "title": f"Start {recipe.type}", "description": recipe.summary, "properties": properties}


def _examples_of_start(recipes: Recipes) -> dict[str, Any]:
    """A job of each type, as it may be started."""
    payloads = {recipe.type: examples.payload(recipe.payload) for recipe in recipes.values()}
    return {
        kind: {"summary": recipes[kind].summary, "value": {"jobType": kind, "payload": payload}}
        for kind, payload in payloads.items()
        if not payload_schema.faults(recipes[kind].payload, payload)
    }
