"""Flower beside the floor: where it shows the task of a ticket, if it runs on this machine."""

from __future__ import annotations

from fastapi import FastAPI, Request
from starlette.responses import RedirectResponse, Response

from hms_oms.jobs.tickets import Ticket
from hms_oms.runtime.settings import Settings

_flower: str | None = None


def add_routes(app: FastAPI, settings: Settings) -> None:
    """Add the way to Flower, which listens on this machine only."""
    global _flower
    _flower = f"http://127.0.0.1:{settings.flower_port}" if settings.flower_port else None

    async def lead(request: Request) -> Response:
        try:
            ticket = Ticket.parse(request.path_params["ticket"])
        except ValueError:
            return Response(status_code=404)
        return Response(status_code=404) if _flower is None else RedirectResponse(f"{_flower}/task/{ticket}")

    app.router.add_route("/flower-link/{ticket}", lead, include_in_schema=False)


def path(ticket: Ticket) -> str | None:
    """The address here that leads to a ticket's task in Flower; None where there is no Flower."""
    return None if _flower is None else f"/flower-link/{ticket}"
