"""Why a number is what it is: its definition, its source and age, and the jobs behind it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from playwright.sync_api import Page, expect

from hms_floor.auth.tokens import Role
from hms_floor.pages.queues import definitions, figures, queue_card
from hms_floor.pages.queues.definitions import DEFINITIONS, GLOSSARY, Definition
from hms_floor.presentation.overview import Card
from hms_oms.recipes.recipes import Recipe
from hms_ops.metrics.catalogue import CATALOGUE
from tests.pages.conftest import Floor
from tests.pages.seeing import faults

Visit = Callable[..., Page]
DOCS = Path(__file__).parents[2] / "docs"


def test_definitions_are_those_of_the_glossary_and_the_catalogue() -> None:
    """Word for word, and each number on a card has one."""
    rows = re.findall(r"^\| (\*\*.+) \| (.+) \|$", (DOCS / "glossary.md").read_text(), re.M)
    glossary = {term.replace("*", ""): meaning for term, meaning in rows}
    assert {term: glossary[term] for term in GLOSSARY} == dict(GLOSSARY)
    assert {name for definition in DEFINITIONS.values() for name, _ in definition.metrics} <= set(CATALOGUE)
    assert {*queue_card.FIGURES, *figures.figures_of(Card("shop"))} == set(DEFINITIONS)
    assert all(definitions.words(definition) for definition in DEFINITIONS.values())
    used = {term for definition in DEFINITIONS.values() for term in definition.terms}
    assert used == set(GLOSSARY)


def test_a_number_has_its_source_and_its_age(engine: sa.Engine, shop: Recipe) -> None:
    """What was not measured, has no data, or is too old is said to be that; an SLA has who set it."""
    with engine.begin() as connection:
        now = connection.execute(sa.text("select oms.now()")).scalar_one()
        connection.execute(
            sa.text(
                "insert into ops.metrics (name, queue, subject, value, source, at) values"
                " ('queue.waitTime', 'shop', '', 5, 'events', :now),"
                " ('queue.oldestAge', 'shop', '', null, 'ledger', :now),"
                " ('worker.online', 'shop', '', 2, 'presence', :old)"
            ),
            {"now": now - timedelta(seconds=3), "old": now - timedelta(minutes=5)},
        )

        def source(figure: str) -> str:
            [sentence] = definitions.sources(connection, "shop", DEFINITIONS[figure], UTC)
            return sentence

        words = "queue.waitTime: measured by the watch from the events of the workers, 3 s ago, at "
        assert source("mean wait").startswith(words)
        assert source("oldest").startswith("queue.oldestAge: no data, 3 s ago")
        assert source("workers").endswith("too old to be shown.")
        assert source("all done by") == "forecast.doneIn: never measured."
        assert source("SLA").startswith("Set by recipe, ")
        assert source("last one due").startswith("The latest of all open jobs, read from the ledger at ")
        assert definitions.sources(connection, "nowhere", Definition(["SLA"]), UTC) == ["Nobody has set one."]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_number_tells_why_and_leads_to_its_jobs(visit: Visit, floor: Floor, theme: str) -> None:
    """By key alone, readable in both themes; Escape gives the focus back."""
    page = visit("/floor/", Role.VIEWER, color_scheme=theme)
    number = page.get_by_label("Queue farm-grant").get_by_title("open: why?")
    number.press("Enter")
    popover = page.get_by_role("dialog", name="open of farm-grant")
    expect(popover.get_by_text(CATALOGUE["queue.length"].meaning.replace("`", ""))).to_be_visible()
    expect(popover.get_by_text(re.compile(r"by the watch from the ledger, \d+ s ago"))).to_be_visible()
    page.wait_for_function("document.getAnimations().every(({ playState }) => playState !== 'running')")
    assert faults(page) == []
    page.keyboard.press("Escape")
    expect(popover).to_have_count(0)
    expect(number).to_be_focused()
    number.click()
    popover.get_by_role("link", name="The jobs behind it").press("Enter")
    expect(page).to_have_url(f"{floor.url}/floor/jobs?queue=farm-grant&status=open")
    page.goto(f"{floor.url}/floor/queues/farm-grant")
    page.get_by_role("button", name=re.compile("^SLA ")).first.press("Enter")
    expect(page.get_by_role("dialog", name="SLA of farm-grant").get_by_text(GLOSSARY["SLA"])).to_be_visible()
