"""The page that shows the OpenAPI document: Swagger UI, every file of which comes from here."""

from __future__ import annotations

import importlib.resources
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from hms_floor import subpath
from hms_floor.api.access.guard import Guarded
from hms_floor.api.transport.problems import Problem

router = APIRouter(route_class=Guarded, include_in_schema=False)

#: Swagger UI makes its icons of data addresses; it needs no script or style of the page's own.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The API - HMS Management Layer</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{root}/docs/swagger-ui.css">
</head>
<body>
<main id="swagger-ui" data-document="{root}/openapi.json"></main>
<script src="{root}/docs/swagger-ui-bundle.js"></script>
<script src="{root}/docs/start.js"></script>
</body>
</html>
"""
#: The files of the page: the package that has them, the folder there, and the kind.
_ASSETS = {
    "swagger-ui-bundle.js": ("fastapi_offline", "static", "text/javascript"),
    "swagger-ui.css": ("fastapi_offline", "static", "text/css"),
    "start.js": ("hms_floor.api.openapi", "assets", "text/javascript"),
}


@router.get("/docs")
async def show(request: Request) -> Response:
    """The page."""
    page = _PAGE.format(root=subpath.root(request.scope))
    return Response(page, headers={"Content-Security-Policy": POLICY}, media_type="text/html")


@router.get("/docs/{asset}")
def asset(asset: Annotated[str, Path()]) -> Response:
    """A file of the page."""
    if asset not in _ASSETS:
        raise Problem(404, "there is no such file")
    package, folder, kind = _ASSETS[asset]
    content = importlib.resources.files(package).joinpath(folder, asset).read_bytes()
    return Response(content, headers={"Cache-Control": "public, max-age=3600"}, media_type=kind)
