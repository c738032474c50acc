"""token: who may come in by the network."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from projector.app import open_projector
from projector.cli import output
from projector.cli.application import Json, Url, app

token = App(name="token", help="Who may come in by the network, and to do what.")
app.command(token)


@token.command
def create(
    name: Annotated[str, Parameter(name="NAME")],
    /,
    *,
    url: Url,
    scope: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    json: Json = False,
) -> None:
    """Make a token, and print it: it is kept nowhere, and so it cannot be shown again.

    Parameters
    ----------
    name
        What to call it, such as the program that will use it.
    scope
        What it opens: read, write, or admin, which opens everything. Give it once for each.
    json
        Print one JSON document.
    """
    with open_projector(url) as projector:
        made = projector.create_token(name=name, scopes=scope)
    if json:
        output.document(made)
        return
    # Alone on stdout, for who puts it into a variable or a file.
    output.line(made.token)
    output.line(
        f"This is token {made.token_id} ({', '.join(made.scopes)}). It is not shown again.",
        stderr=True,
    )


@token.default
@token.command(name="list")
def list_tokens(*, url: Url, json: Json = False) -> None:
    """List the tokens, without their secrets, in the order in which they were made.

    Parameters
    ----------
    json
        Print one JSON document.
    """
    with open_projector(url) as projector:
        found = projector.tokens()
    if json:
        output.document({"tokens": found})
        return
    if not found:
        output.line("There are no tokens. `projector token create NAME --scope read` makes one.")
        return
    output.table(
        "Tokens",
        ("id", "name", "scopes", "created", "revoked"),
        [
            (each.token_id, each.name, ", ".join(each.scopes), each.created_at, each.revoked_at)
            for each in found
        ],
    )


@token.command
def revoke(
    token_id: Annotated[str, Parameter(name="ID")], /, *, url: Url, json: Json = False
) -> None:
    """Let a token open nothing from now on. One that is revoked already stays as it is.

    Parameters
    ----------
    token_id
        The id of the token.
    json
        Print one JSON document.
    """
    with open_projector(url) as projector:
        found = projector.revoke_token(token_id)
    if json:
        output.document(found)
        return
    output.line(
        f"Token {found.token_id} ({output.text(found.name)}) was revoked at "
        f"{output.text(found.revoked_at)}."
    )
