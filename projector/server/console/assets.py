"""Serves the files in `static` under a path with their hash, so that browsers keep them."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from attrs import frozen
from starlette.requests import Request
from starlette.responses import Response

from projector.server.errors import PathUnknown

_FOLDER = Path(__file__).with_name("static")

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".woff2": "font/woff2",
    ".svg": "image/svg+xml",
}


@frozen(kw_only=True)
class Assets:
    """The files, in memory."""

    #: By name: the content and its media type.
    files: dict[str, tuple[bytes, str]]
    #: A hash of all of them.
    version: str

    def url(self, name: str) -> str:
        """Return the path of a file; raise KeyError."""
        assert name in self.files, name  # noqa: S101 - a template names a file that is not there
        return f"/console/static/{self.version}/{name}"


@cache
def assets() -> Assets:
    """Read the files."""
    paths = sorted(each for each in _FOLDER.iterdir() if each.suffix in _MEDIA_TYPES)
    files = {each.name: (each.read_bytes(), _MEDIA_TYPES[each.suffix]) for each in paths}
    digest = hashlib.sha256()
    for name, (content, _) in files.items():
        digest.update(f"{name} {len(content)} ".encode() + content)
    return Assets(files=files, version=digest.hexdigest()[:12])


async def respond(request: Request) -> Response:
    """Return a file; raise PathUnknown."""
    found = assets().files.get(request.path_params["name"])
    if found is None:
        raise PathUnknown(path=request.scope["path"])
    content, media_type = found
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    if request.path_params["version"] != assets().version:
        # A page of another version of the program asked: do not keep this file for its address.
        headers = {"Cache-Control": "no-store"}
    return Response(content, media_type=media_type, headers=headers)
