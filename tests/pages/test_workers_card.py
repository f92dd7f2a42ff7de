"""The slider of workers on a queue's page: what it asks for, and which answer it shows."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from nicegui import Client, ui
from nicegui.page import page as floor_page
from starlette.requests import Request

from hms_floor.pages.queues import queue_workers
from hms_floor.pages.queues.queue_workers import WorkersCard


@pytest.mark.parametrize(
    ("present", "sure", "reach"), [(0, 0, 4), (3, 2, 6), (3, 9, 11), (2, 700_000, 10_000)]
)
def test_the_slider_asks_for_no_more_than_the_api_takes(present: int, sure: int, reach: int) -> None:
    """It goes to what is needed, unless that is more than anybody may ask for."""
    assert queue_workers.reach(present, sure) == reach


class Answers:
    """Answers that come when the test lets them."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[dict[str, Any]]] = []

    async def get(self, path: str, **_: Any) -> dict[str, Any]:
        """What the test will say."""
        self.asked.append(asyncio.get_running_loop().create_future())
        return await self.asked[-1]


def answer(workers: int) -> dict[str, Any]:
    """A forecast with so many workers."""
    outlook = {"open": 1, "onTime": 1.0, "late": 0, "givenUp": 0}
    staffing = {"workers": workers, "slots": workers, "outlook": outlook, "doneAt": None}
    return {"present": staffing, "asked": staffing, "workersNeeded": 0, "workersSure": 0, "forecastAt": None}


def test_an_earlier_answer_overwrites_no_later_one() -> None:
    """The first request is answered last: what it says is not shown any more."""
    with ThreadPoolExecutor() as pool:
        # Playwright has the loop of this thread where a browser is open.
        shown = pool.submit(asyncio.run, _crossed()).result()
    assert any(text.startswith("With 5 workers") for text in shown)
    assert not any(text.startswith("With 3 workers") for text in shown)


async def _crossed() -> list[str]:
    """The texts of the card after two answers that came in the wrong order."""
    answers = Answers()
    request = Request({"type": "http", "path": "/", "headers": []})
    with Client(floor_page("/"), request=request) as client:
        card = WorkersCard("shop", SimpleNamespace(ask=answers))
    first, second = asyncio.ensure_future(card.refresh()), asyncio.ensure_future(card.refresh())
    while len(answers.asked) < 2:
        await asyncio.sleep(0)
    answers.asked[1].set_result(answer(5))
    await second
    answers.asked[0].set_result(answer(3))
    await first
    return [part.text for part in client.elements.values() if isinstance(part, ui.label)]
