"""The plugin for pytest: the fixture `hms_jobs` runs the jobs of your recipes in your tests.

The recipes are those of the folder that `hms_recipes` names in pytest's own settings, else HMS_RECIPES.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from hms.testing import Jobs, Server


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting `hms_recipes`."""
    parser.addini("hms_recipes", "folder of the recipes whose jobs tests run (else HMS_RECIPES)", "paths", [])


@pytest.fixture(scope="session")
def hms_server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A PostgreSQL for the session, prepared for the recipes."""
    from hms import testing
    from hms_oms.runtime import settings

    named: list[Path] = request.config.getini("hms_recipes")
    folder = named[0] if named else settings.load().recipes
    with testing.serving(tmp_path_factory.mktemp("hms"), folder) as server:
        yield server


@pytest.fixture
def hms_jobs(hms_server: Server) -> Iterator[Jobs]:
    """Jobs of the recipes in a database of the test's own."""
    with hms_server.jobs() as jobs:
        yield jobs
