"""Pages ask the API as programs do, with the badge of the person who looks.

So what a role may not see or do is refused by the same guard, is masked alike, and stands in the same audit
trail. The request does not leave the process: it goes to the application itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
from starlette.types import ASGIApp

#: The longest that a page waits for what it reads, in seconds: a little more than a statement may take.
PATIENCE_SECONDS = 16.0
#: What is being read, so that no task is lost before its end.
_readings: set[asyncio.Task[Any]] = set()


class Refused(Exception):
    """The API did not do it; the message is what it said, for the person who asked."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        super().__init__(detail)


class Asking:
    """The API, asked in the name of one person at one address."""

    def __init__(self, app: ASGIApp, token: str, source: str) -> None:
        self._headers = {"Authorization": f"Bearer {token}"}
        self._transport = httpx.ASGITransport(app=app, raise_app_exceptions=False, client=(source, 0))

    async def get(self, path: str, **parameters: Any) -> Any:
        """Read something; parameters that are None are left out. Raises Refused."""
        given = {name: value for name, value in parameters.items() if value is not None}
        reading = asyncio.create_task(self._ask("GET", path, params=given))
        _readings.add(reading)
        reading.add_done_callback(_end)
        # The thread that reads cannot be stopped: it is left behind, and ends with the statement's own limit.
        done, _ = await asyncio.wait([reading], timeout=PATIENCE_SECONDS)
        if not done:
            raise Refused(503, f"the ledger has not answered for {PATIENCE_SECONDS:g} seconds")
        return reading.result()

    async def post(self, path: str, body: Mapping[str, Any] | None = None, **parameters: Any) -> Any:
        """Do something. Raises Refused."""
        given = {name: value for name, value in parameters.items() if value is not None}
        return await self._ask("POST", path, json=dict(body or {}), params=given)

    async def put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Set something. Raises Refused."""
        return await self._ask("PUT", path, json=dict(body))

    async def upload(self, path: str, content: Any, kind: str, **parameters: Any) -> Any:
        """Hand over a file, piece by piece. Raises Refused."""
        given = {name: value for name, value in parameters.items() if value is not None}
        return await self._ask("POST", path, content=content, params=given, headers={"Content-Type": kind})

    async def download(self, path: str) -> bytes:
        """Read a file whole. Raises Refused."""
        return (await self._answer("GET", path, timeout=None)).content

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        answer = await self._answer(method, path, **options)
        return answer.json() if answer.content else None

    async def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {**self._headers, **options.pop("headers", {})}
        async with httpx.AsyncClient(
            transport=self._transport,
            base_url="http://floor",
            timeout=None,  # noqa: S113 -- nothing leaves the process
        ) as client:
            answer = await client.request(method, path, headers=headers, **options)
        if answer.is_success:
            return answer
        raise Refused(answer.status_code, _said(answer))


def _end(reading: asyncio.Task[Any]) -> None:
    _readings.discard(reading)
    if not reading.cancelled():
        reading.exception()  # it was raised to the page, if that still waited


def _said(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return f"the API answered {answer.status_code}"
    faults = [f"{fault['field']}: {fault['reason']}" for fault in problem.get("errors", ())]
    return "; ".join(faults) or str(problem.get("detail", answer.status_code))
