"""Requests made up from the door's own document: none is answered otherwise than the document says."""

from __future__ import annotations

from pathlib import Path

from tests.api import fuzz
from tests.api.conftest import Door


def test_the_door_keeps_to_its_document(door: Door, tmp_path: Path) -> None:
    """A few seconds of schemathesis, all checks; `python -m tests.api.fuzz` is the long run."""
    done = fuzz.run(door, tmp_path, 10, "--phases", "examples,fuzzing", "--max-examples", "10")
    assert done.returncode == 0, done.stdout[-6000:]
    assert door.lives()


def test_the_document_says_what_each_route_needs(door: Door) -> None:
    """Roles, problems and payloads stand in it, and there is an example of a job to start."""
    document = door.get("/openapi.json")
    assert document["openapi"].startswith("3.1")
    start = document["components"]["schemas"]["Start_shop_order_v1"]
    assert start["properties"]["payload"]["required"] == ["number"]
    assert start["properties"]["jobType"]["const"] == "shop:order:v1"
    move = document["components"]["schemas"]["Move"]["properties"]["queue"]
    assert move["enum"] == ["brief", "returns", "returns-desk", "shop"]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert "429" in operation["responses"], f"{method} {path}"
            assert ("security" in operation) == (path not in ("/livez", "/healthz", "/readyz"))
