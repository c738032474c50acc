"""Fills the templates, and adds the headers that keep the pages safe."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from projector.server.console.assets import assets
from projector.server.console.words.durations import age_text, duration_text
from projector.server.console.words.raw_text import visible

#: No inline script or style, nothing from elsewhere, and parts only by the policy of console.js.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types console"
)

_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    # With `no-referrer`, browsers send `Origin: null` with the pages' own forms.
    "Referrer-Policy": "same-origin",
}


@cache
def environment() -> Environment:
    """Return the templates; every value is escaped, and a missing one is an error."""
    loader = FileSystemLoader(Path(__file__).with_name("templates"))
    made = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["asset"] = assets().url
    made.filters["number"] = _number
    made.filters["plural"] = _plural
    made.filters["duration"] = duration_text
    made.filters["age"] = age_text
    made.filters["visible"] = visible
    return made


def render(
    template: str, values: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] = {}
) -> Response:
    """Return a page."""
    text = environment().get_template(template).render(values)
    return Response(text, status, {**_HEADERS, **headers}, media_type="text/html; charset=utf-8")


def tagged(response: Response) -> Response:
    """Add an ETag to a part that is polled."""
    digest = hashlib.sha256(bytes(response.body)).hexdigest()[:32]
    response.headers["ETag"] = f'W/"{digest}"'
    # `no-store` would keep the browser from sending the tag.
    response.headers["Cache-Control"] = "private, no-cache"
    return response


def revalidated(response: Response, if_none_match: str | None) -> Response:
    """Leave out the body of an answer that the browser has."""
    if if_none_match != response.headers["etag"]:
        return response
    left_out = ("content-length", "content-type")
    headers = {name: each for name, each in response.headers.items() if name not in left_out}
    return Response(status_code=304, headers=headers)


def _number(value: int) -> str:
    """Return a number with thousands separated: `1,204`."""
    return f"{value:,}"


def _plural(count: int, one: str, many: str | None = None) -> str:
    """Return a number with its noun: `1 event`, `1,204 events`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"
