"""The FastAPI application: every route guarded, every failure a problem document."""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from hms_floor import ledger, subpath
from hms_floor.api.app_state import AppState
from hms_floor.api.openapi import document, page
from hms_floor.api.routes.cycles import cycle_files, cycle_rows, cycles
from hms_floor.api.routes.incidents import incidents, oncall_feed, ops, texts, twilio
from hms_floor.api.routes.installation import audit, badges, health, stream
from hms_floor.api.routes.jobs import answers, bulk, changes, jobs, recipes, reservations, signals
from hms_floor.api.routes.queues import calendars, history, queues, reports, simulations, workers
from hms_floor.api.routes.schedules import schedules
from hms_floor.api.routes.webhooks import webhooks
from hms_floor.api.transport import problems
from hms_floor.api.transport.limits import Limits
from hms_oms.recipes.recipes import load_folder
from hms_oms.runtime.settings import Settings

#: Threads that work on requests: no more than the pool has connections.
THREADS = 14
#: Bulk comes first: its address would be read as a job's.
ROUTERS = (
    bulk.router,
    jobs.router,
    signals.router,
    answers.router,
    changes.router,
    cycle_files.router,
    cycles.router,
    cycle_rows.router,
    schedules.router,
    queues.router,
    history.router,
    calendars.router,
    reservations.router,
    workers.router,
    recipes.router,
    incidents.router,
    oncall_feed.router,
    ops.router,
    reports.router,
    simulations.router,
    texts.router,
    webhooks.router,
    stream.router,
    twilio.router,
    audit.router,
    badges.router,
    health.router,
    document.router,
    page.router,
)


def make(settings: Settings) -> FastAPI:
    """The application under these settings.

    Raises ConfigError if they name no servers, no recipes, or a public path that cannot be, NoKey if badges
    cannot be checked, and KeyError for a route that has no entry in the table of roles.
    """
    engine = ledger.engine_of(settings.servers()[0])
    app_state = AppState(settings, engine, load_folder(settings.recipes))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        app_state.line.open()
        app_state.observer.start()
        yield
        app_state.feed.close()
        await app_state.line.close()

    app = FastAPI(
        title="HMS Management Layer",
        summary="Start jobs, hold them to their deadline, and see where they stand.",
        version=importlib.metadata.version("hms-management-layer"),
        # Our own page, which loads nothing from elsewhere.
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        exception_handlers={HTTPException: _outside},
    )
    app.state.app_state = app_state
    for router in ROUTERS:
        # As they are: a router that is included is looked through again for each request.
        app.router.routes.extend(router.routes)
    root = subpath.of(settings.public_url)
    subpath.require_free(root, [route.path for route in app.routes if isinstance(route, APIRoute)])
    document.describe(app, app_state.recipes, root)
    app.add_middleware(Limits)
    app.add_middleware(subpath.Subpath, root=root)
    return app


async def _outside(request: Request, error: Exception) -> Response:
    """Errors that are raised before a route is matched."""
    problem = problems.of(error)
    if problem.status_code == 405:
        routes = [route for route in request.app.router.routes if isinstance(route, APIRoute)]
        path = subpath.inside(request.scope)
        fitting = [route.methods for route in routes if route.path_regex.match(path)]
        problem.headers = {
            "Allow": ", ".join(sorted({method for methods in fitting for method in methods or ()}))
        }
    return problem.response()
