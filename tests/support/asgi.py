"""Requests to the application itself, without a network."""

from starlette.types import ASGIApp, Message

from tests.support.http_client import Reply


async def get(app: ASGIApp, target: str) -> Reply:
    """The answer to a GET request from this machine."""
    return await ask(app, "GET", target)


async def ask(
    app: ASGIApp, method: str, target: str, *, body: bytes = b"", **headers: str
) -> Reply:
    """The answer to a request from this machine; a header's name is given with underscores."""
    path, _, query = target.partition("?")
    given = {
        "host": "localhost",
        **{name.replace("_", "-"): each for name, each in headers.items()},
    }
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    got = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return Reply(sent[0]["status"], got, b"".join(each.get("body", b"") for each in sent[1:]))
