"""The OpenAPI document and its page: open to all, and of use to those who make clients."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from hms_floor.api import app
from hms_floor.api.access.roles import TABLE
from hms_floor.api.openapi.examples import EXAMPLES
from hms_floor.api.openapi.operations import OPERATIONS, TAGS
from hms_floor.auth import tokens
from hms_oms.recipes import recipes
from hms_oms.runtime.settings import Settings
from tests.api.conftest import ApiServer


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document of an installation with the recipes of the product."""
    home = tmp_path_factory.mktemp("home")
    tokens.make_key(home)
    nowhere = {"database_url": "postgresql://nowhere/hms", "broker_url": "redis://127.0.0.1:1/0"}
    return app.make(Settings(home=home, **nowhere)).openapi()


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The operations of a document, by route."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_document_and_page_need_no_badge(api_server: ApiServer) -> None:
    """Integrators read them before they have one, and every file of the page is ours."""
    assert api_server.client.get("/openapi.json").json()["openapi"].startswith("3.1")
    answer = api_server.client.get("/docs")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assets = re.findall(r'(?:href|src)="([^"]+)"', answer.text)
    assert "/docs/swagger-ui-bundle.js" in assets
    for address in assets:
        if address != "data:,":
            asset = api_server.client.get(address)
            assert (address.startswith("/docs/"), asset.status_code) == (True, 200)
            assert "max-age" in asset.headers["cache-control"]
    for address in ("/docs/document.py", "/docs/..%2Fpage.py", "/docs/"):
        assert api_server.client.get(address).status_code == 404


def test_names_of_operations_are_those_of_the_table(document: dict[str, Any]) -> None:
    """Generated clients name their methods after them: unique, and a verb with its object."""
    made = {action: operation["operationId"] for action, operation in operations(document).items()}
    assert made == OPERATIONS
    assert len(set(made.values())) == len(made)
    assert [name for name in made.values() if not re.fullmatch("[a-z]+([A-Z][a-z]+)+", name)] == []
    assert (made["POST /jobs"], made["GET /jobs"], made["GET /me"]) == ("startJob", "listJobs", "getMe")


def test_every_tag_is_described(document: dict[str, Any]) -> None:
    """Each operation stands below a heading, and each heading says what is below it."""
    assert {tag["name"]: tag["description"] for tag in document["tags"]} == TAGS
    assert {tag for operation in operations(document).values() for tag in operation["tags"]} == set(TAGS)


def test_each_request_body_has_an_example_that_its_model_reads(document: dict[str, Any]) -> None:
    """The model of the route itself takes it, so that nobody who tries it is refused for its form."""
    routes = {
        f"{method} {route.path_format}": route
        for router in app.ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    assert set(TABLE) == set(routes)
    used = set()
    for action, operation in operations(document).items():
        body = routes[action].body_field
        if body is None:
            continue
        content = operation["requestBody"]["content"]["application/json"]
        values = [content["example"]] if "example" in content else []
        values += [example["value"] for example in content.get("examples", {}).values()]
        assert values, action
        for value in values:
            _, faults = body.validate(value, {}, loc=())
            assert not faults, (action, faults)
        used.add(operation["operationId"])
    assert set(EXAMPLES) <= used


def test_each_job_type_has_an_example_that_can_be_started(api_server: ApiServer) -> None:
    """A payload that the schema of the recipe takes, made of the schema itself."""
    document = api_server.get("/openapi.json")
    examples = document["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    known = recipes.load_folder(Path(__file__).parents[1] / "recipes")
    assert set(examples) == set(known)
    for kind, example in examples.items():
        answer = api_server.ask("POST", "/jobs?quote=true", example["value"])
        assert answer.status_code == 200, (kind, answer.text)
