"""An API for each test, and clients that carry the badge of its home."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from hms_act import ActClient
from hms_oms import OmsClient
from hms_oms.recipes import registry
from hms_ops import OpsClient
from tests.conftest import shop_recipes
from tests.support.api import RunningApi, standing


@pytest.fixture
def api_server(database: str, broker: str, engine: sa.Engine, tmp_path: Path) -> Iterator[RunningApi]:
    """An API on this test's database, with the recipes of the test shop."""
    with engine.begin() as connection:
        for recipe in shop_recipes().values():
            registry.register(connection, recipe)
    with standing(database, broker, tmp_path / "home") as running:
        yield running


@pytest.fixture
def act(api_server: RunningApi) -> Iterator[ActClient]:
    """An ActClient with a badge for everything."""
    with ActClient(api_server.url, api_server.badge("manager")) as client:
        yield client


@pytest.fixture
def oms(api_server: RunningApi) -> Iterator[OmsClient]:
    """An OmsClient that reads, reserves, and keeps badges."""
    with OmsClient(api_server.url, api_server.badge("manager", "agent", "admin", queues=["*"])) as client:
        yield client


@pytest.fixture
def ops(api_server: RunningApi) -> Iterator[OpsClient]:
    """An OpsClient with a badge for everything."""
    with OpsClient(api_server.url, api_server.badge("manager", "oncall")) as client:
        yield client
