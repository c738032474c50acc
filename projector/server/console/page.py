"""What a page gets and returns: a visit, and a template with its values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from attrs import field, frozen
from starlette.responses import Response

from projector.operate.tokens import Scope
from projector.server.console import form_tokens
from projector.server.console.zones import Zone, parse_day
from projector.server.context import ServerContext
from projector.store.database import Database


@frozen(kw_only=True)
class Visitor:
    """Who sends a request."""

    #: The name of the token, or `this machine` while no token exists.
    name: str
    #: Whether the visitor may retry, rebuild and verify.
    is_admin: bool
    #: Whether the visitor is signed in, and so can sign out.
    has_session: bool


@frozen(kw_only=True)
class Visit:
    """A request to a page, once it is known who sent it."""

    context: ServerContext
    visitor: Visitor | None
    #: The secret of the browser's cookie, for the tokens of forms.
    secret: str = field(repr=False)
    method: str
    #: The path and the query as they came, for links back.
    url: str
    #: The ids in the path, by name.
    ids: Mapping[str, str]
    #: The last value of each parameter of the query, and of each field of the form.
    query: Mapping[str, str]
    form: Mapping[str, str]
    zone: Zone
    theme: str | None
    now: datetime

    @property
    def database(self) -> Database:
        """The database."""
        return self.context.database

    @property
    def today(self) -> date:
        """The day of the request in the console's time zone."""
        return self.zone.day_of(self.now)

    @property
    def is_admin(self) -> bool:
        """Whether buttons that change something are shown."""
        return self.visitor is not None and self.visitor.is_admin

    def parameter(self, name: str) -> str | None:
        """Return a parameter of the query without white space around; None if empty or missing."""
        return self.query.get(name, "").strip() or None

    def day(self, name: str = "on") -> date | None:
        """Return a parameter that is a day, such as `2026-03-01`; None if it is none."""
        return parse_day(self.parameter(name))

    def form_token(self, path: str) -> str:
        """Return the token for a form that is sent to a path."""
        return form_tokens.make(self.secret, path)


@frozen(kw_only=True)
class Page:
    """An answer: a template in `templates`, and the values that it shows."""

    template: str
    values: Mapping[str, Any] = field(factory=dict)
    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)
    #: Whether it is a part of a page, which is polled: it gets an ETag.
    is_part: bool = False


@frozen(kw_only=True)
class PageRoute:
    """A page: its path below `/console`, and the function that answers, in a thread."""

    path: str
    name: str
    run: Callable[[Visit], Page | Response]
    methods: tuple[str, ...] = ("GET",)
    #: The scope that a visitor needs.
    scope: Scope = Scope.READ
