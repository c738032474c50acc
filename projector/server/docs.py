"""Serves /openapi.json and /docs, a page that shows it, from bundled files."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from projector.server import openapi

_FILES = Path(__file__).with_name("static")

#: The page loads its scripts and styles as files from this server; Swagger UI also creates inline
#: styles and `data:` images.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


async def redirect(_request: Request) -> Response:
    """Lead to the page."""
    return RedirectResponse("/docs/", 308)


def routes() -> list[BaseRoute]:
    """Return the routes of the document and its page, which hold no data and need no token."""
    document = openapi.encode_document()

    async def openapi_json(_request: Request) -> Response:
        return Response(document, media_type="application/json")

    async def page(_request: Request) -> Response:
        headers = {"Content-Security-Policy": _POLICY}
        return FileResponse(_FILES / "docs.html", headers=headers)

    return [
        Route("/openapi.json", openapi_json, name="openapi"),
        Route("/docs", redirect, name="docs"),
        Route("/docs/", page, name="docs"),
        Mount("/docs/static", StaticFiles(directory=_FILES), name="docs"),
    ]
