"""Requests made up from the API's own document: none is answered otherwise than the document says."""

from __future__ import annotations

from pathlib import Path

from tests.api import fuzz
from tests.api.conftest import ApiServer


def test_the_api_keeps_to_its_document(api_server: ApiServer, tmp_path: Path) -> None:
    """A few seconds of schemathesis, all checks; the long run is a part of `make chaos`."""
    done = fuzz.run(api_server, tmp_path, 10, "--phases", "examples,fuzzing", "--max-examples", "2")
    assert done.returncode == 0, done.stdout[-6000:]
    assert api_server.lives()


def test_the_document_says_what_each_route_needs(api_server: ApiServer) -> None:
    """Roles, problems and payloads stand in it, and there is an example of a job to start."""
    document = api_server.get("/openapi.json")
    assert document["openapi"].startswith("3.1")
    start = document["components"]["schemas"]["Start_shop_order_v1"]
    assert start["properties"]["payload"]["required"] == ["number"]
    assert start["properties"]["jobType"]["const"] == "shop:order:v1"
    move = document["components"]["schemas"]["Move"]["properties"]["queue"]
    assert move["enum"] == [
        "boxes",
        "brief",
        "relay",
        "relay-far",
        "returns",
        "returns-desk",
        "shop",
        "visit",
        "watched",
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert "429" in operation["responses"], f"{method} {path}"
            assert ("security" in operation) == (path not in ("/livez", "/healthz", "/readyz", "/oncall.ics"))
