"""A browser without a screen: keeps cookies, reads pages, and sends their forms."""

from html.parser import HTMLParser
from urllib.parse import urlencode

from attrs import Factory, define, field, frozen

from tests.support.http_client import Client, Reply

_EMPTY = {"meta", "link", "input", "br", "hr", "img", "area", "source", "wbr"}


@define
class Form:
    """A form of a page, with the fields that it has already."""

    action: str
    method: str
    fields: dict[str, str] = Factory(dict)


class _Parser(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.forms: list[Form] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.unbalanced: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if len(found) != len(attrs):
            self.unbalanced.append(f"<{tag}> has an attribute twice")
        self.elements.append((tag, found))
        if tag not in _EMPTY:
            self.open.append(tag)
        if tag == "form":
            self.forms.append(Form(found.get("action", ""), found.get("method", "get").lower()))
        elif tag in ("input", "button", "select") and self.forms and found.get("name"):
            self.forms[-1].fields.setdefault(found["name"], found.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open[-1] != tag:
            self.unbalanced.append(f"</{tag}> closes {self.open[-1:]}")
        else:
            self.open.pop()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _EMPTY:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["script"], ["style"]):
            self.texts.append(data)


@frozen
class Document:
    """A page that came."""

    reply: Reply
    elements: list[tuple[str, dict[str, str]]]
    forms: list[Form]
    #: All that a reader sees, with single spaces.
    text: str
    unbalanced: list[str]

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.reply.status

    @property
    def links(self) -> list[str]:
        """Where its links lead to."""
        return [found["href"] for tag, found in self.elements if tag == "a" and "href" in found]

    def form(self, action: str) -> Form:
        """The form that is sent to a path."""
        [found] = [each for each in self.forms if each.action == action]
        return found

    @property
    def flaws(self) -> list[str]:
        """What no page may have: inline scripts and styles, ids twice, elements left open."""
        ids = [found["id"] for _, found in self.elements if "id" in found]
        return [
            *self.unbalanced,
            *(f"#{each} twice" for each in {*ids} if ids.count(each) > 1),
            *(
                f"<{tag} {name}>"
                for tag, found in self.elements
                for name in found
                if name == "style" or name.startswith("on")
            ),
            *(
                f"inline <{tag}>"
                for tag, found in self.elements
                if tag == "style" or (tag == "script" and "src" not in found)
            ),
        ]


def read(reply: Reply) -> Document:
    """Read a page."""
    parser = _Parser()
    parser.feed(reply.body.decode())
    parser.close()
    return Document(
        reply,
        parser.elements,
        parser.forms,
        " ".join("".join(parser.texts).split()),
        [*parser.unbalanced, *(f"<{each}> is left open" for each in parser.open)],
    )


@define
class Browser:
    """Asks one server, with cookies."""

    client: Client
    cookies: dict[str, str] = field(factory=dict)

    def get(self, path: str, **headers: str) -> Document:
        """Open a page, without following redirects."""
        return self._ask("GET", path, None, headers)

    def submit(self, form: Form, *, path: str | None = None, **headers: str) -> Document:
        """Send a form as a page of the same site does; `path` instead of its own."""
        given = {
            "content_type": "application/x-www-form-urlencoded",
            "sec_fetch_site": "same-origin",
            **headers,
        }
        body = urlencode(form.fields).encode()
        return self._ask("POST", path or form.action, body, given)

    def sign_in(self, token: str, target: str | None = None) -> Document:
        """Sign in with a token."""
        page = self.get("/console/login" + (f"?{urlencode({'next': target})}" if target else ""))
        form = page.form("/console/login")
        form.fields["token"] = token
        return self.submit(form)

    def _ask(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Document:
        given = {name: value for name, value in headers.items() if value}
        if self.cookies:
            given["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        reply = self.client.ask(method, path, body, **given)
        self._keep(reply.headers.get("set-cookie", ""))
        return read(reply)

    def _keep(self, header: str) -> None:
        """Keep a cookie; a server sends one at a time but for preferences, which name two."""
        for each in header.split(", "):
            name, _, rest = each.partition("=")
            value = rest.partition(";")[0]
            if "Max-Age=0" in each:
                self.cookies.pop(name, None)
            elif name:
                self.cookies[name] = value
