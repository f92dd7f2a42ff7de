"""Acceptance has one set of rules, whichever way a request comes in."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from hms_act import accept
from hms_act.files import json_lines
from hms_act.files.cells import BadCell, Form
from hms_oms.recipes import recipes
from hms_oms.recipes.recipes import Recipe
from hms_oms.runtime import settings
from hms_oms.runtime.errors import KeyTooLong, RequestRejected

LONG = "5" * (accept.LONGEST_KEY + 1)


def test_a_key_that_does_not_fit_is_refused_by_its_field(engine: sa.Engine, shop: Recipe) -> None:
    """The field that the recipe names, or `key` if one is given; the longest that fits is taken."""
    by_phone = replace(shop, key="phone")
    with engine.begin() as connection:
        with pytest.raises(RequestRejected, match="phone: is a key of more than 500 bytes"):
            accept.start_job(connection, by_phone, {"number": 1, "phone": LONG}, requested_by="ann")
        with pytest.raises(KeyTooLong, match="key: is a key of more than 500 bytes"):
            accept.start_job(connection, shop, {"number": 1}, key=LONG, requested_by="ann")
        started = accept.start_job(connection, shop, {"number": 1}, key=LONG[1:], requested_by="ann")
    assert started.created


def test_a_key_that_does_not_fit_is_refused_in_files(shop: Recipe) -> None:
    """A line of JSON and a row of CSV are refused with their field and column, and stop no other."""
    by_phone = replace(shop, key="phone")
    [refused] = json_lines.read(io.BytesIO(f'{{"number": 1, "phone": "{LONG}"}}\n'.encode()), by_phone)
    assert "is a key of more than 500 bytes" in refused.reason
    grant = recipes.load_folder(settings.Settings().recipes)["farm:grant:v1"]
    cells = ["1", "é" * 290, "515-555-0142", "19153", "corn", "120", "30000", "2026-11-20"]
    with pytest.raises(BadCell, match="name: is a key of more than 500 bytes"):
        Form(replace(grant, key="name"), range(8)).payload(cells)


def test_a_time_that_has_come_is_no_delay(engine: sa.Engine, shop: Recipe) -> None:
    """The deadline counts from now, and from a later time only if that is still to come."""
    past, later = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    with engine.begin() as connection:
        at_once = accept.start_job(connection, shop, {"number": 1}, ready_at=past, requested_by="ann").job
        delayed = accept.start_job(connection, shop, {"number": 2}, ready_at=later, requested_by="ann").job
    assert at_once.ready_at is None
    assert at_once.sla - at_once.created_at == timedelta(minutes=30)
    assert (delayed.ready_at, delayed.sla) == (later, later + timedelta(minutes=30))
