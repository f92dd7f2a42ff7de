"""Open pages without a screen: they take what the floor sends to a browser, and throw it away."""

from __future__ import annotations

import asyncio
import re
import sys
from urllib.parse import urlencode

import aiohttp
import socketio

_CLIENT = re.compile(r"client_id.{1,4}?([0-9a-f-]{36})")


async def _watch(url: str, badge: str, received: list[int]) -> None:
    headers = {"Cookie": f"hms_badge={badge}", "Origin": url}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{url}/floor/") as answer,
    ):
        page = await answer.text()
    result = _CLIENT.search(page)
    assert result is not None, "the page does not say how to speak to it"
    query = {"client_id": result[1], "next_message_id": 0, "implicit_handshake": "true", "document_id": "d"}
    line = socketio.AsyncClient(reconnection=False)

    @line.on("*")  # type: ignore[untyped-decorator]
    async def _(*said: object) -> None:
        received[0] += len(str(said))

    await line.connect(
        f"{url}/?{urlencode(query | {'tab_id': result[1]})}",
        headers=headers,
        transports=["websocket"],
        socketio_path="/floor/_nicegui_ws/socket.io",
    )
    await line.wait()


async def _main(url: str, badge: str, count: int) -> None:
    received = [0]
    watching = [asyncio.create_task(_watch(url, badge, received)) for _ in range(count)]
    while not any(item.done() for item in watching):
        await asyncio.sleep(1)
        print(received[0], flush=True)
    await asyncio.gather(*watching)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
