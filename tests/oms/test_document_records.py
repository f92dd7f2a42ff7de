"""The documents of the API: one class each, which pydantic and the clients read alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, get_type_hints

from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from hms_floor.api.app import ROUTERS
from hms_oms.api import codec
from hms_oms.documents.document import Document, Moment, Named


@dataclass(frozen=True, slots=True)
class Visit(Document):
    """A visit; `left_at` is None while it lasts."""

    number: Annotated[str, Named("visitId")]
    left_at: Moment | None
    tags: tuple[str, ...]


def test_api_and_clients_read_the_same_class() -> None:
    """What pydantic writes of a document in camelCase and UTC, the codec reads as the same record."""
    visit = Visit("visit-1", datetime.fromisoformat("2026-11-29T08:00:00+01:00"), ("a", "b"))
    adapter = TypeAdapter(Visit)
    written = adapter.dump_python(adapter.validate_python(visit), mode="json", by_alias=True)
    assert written == {"visitId": "visit-1", "leftAt": "2026-11-29T07:00:00Z", "tags": ["a", "b"]}
    assert codec.record(Visit, written) == visit
    assert codec.document(visit)["visitId"] == "visit-1"


def test_openapi_describes_a_document_in_the_words_of_json() -> None:
    """The docstring is the description, with the names and values that JSON has; every field is there."""
    schema = TypeAdapter(Visit).json_schema(mode="serialization")
    assert schema["description"] == "A visit; `leftAt` is null while it lasts."
    assert set(schema["required"]) == {"visitId", "leftAt", "tags"}


def test_what_an_older_api_does_not_send_is_none() -> None:
    """A field that may be None need not be there, and one that is not known here is left out."""
    assert codec.record(Visit, {"visitId": "v", "tags": [], "mood": "good"}) == Visit("v", None, ())


def test_every_json_response_is_a_document() -> None:
    """No route answers with a dict written by hand or with a model that the clients do not share."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    models = {route.response_model for route in routes if route.include_in_schema} - {None}
    assert len(models) > 40
    assert [model for model in models if not issubclass(model, Document)] == []
    undescribed = {
        route.path
        for route in routes
        if route.include_in_schema and get_type_hints(route.endpoint)["return"] in (dict, list)
    }
    assert undescribed == set()
