"""The `token` command: access tokens for the HTTP server."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from projector.app import open_projector
from projector.cli import output
from projector.cli.application import Json, Url

token = App(name="token", help="Create, list and revoke access tokens for the HTTP server.")


@token.command
def create(
    name: Annotated[str, Parameter(name="NAME")],
    /,
    *,
    url: Url,
    scope: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    json: Json = False,
) -> None:
    """Create a token and print it. It is not stored, and so cannot be shown again.

    A SQLite database is created, too, if it is missing.

    Parameters
    ----------
    name
        A name for the token, such as that of the program that will use it.
    scope
        What the token permits: read, write, or admin (everything). Repeat it for several scopes.
    json
        Print one JSON document.
    """
    # Before its first start: a server that others can reach needs a token.
    with open_projector(url, create=True) as projector:
        created = projector.create_token(name=name, scopes=scope)
    if json:
        output.document(created)
        return
    # The token is alone on stdout, so that a script can put it into a variable or a file.
    output.line(created.token)
    output.line(
        f"Created token {created.token_id} ({', '.join(created.scopes)}) in "
        f"{projector.database}. It is not shown again.",
        stderr=True,
    )


@token.default
@token.command(name="list")
def list_tokens(*, url: Url, json: Json = False) -> None:
    """List the tokens, without their secrets, in the order of their creation.

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
        output.line(
            "There are no tokens. Run `projector token create NAME --scope read` to create one."
        )
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
    """Revoke a token, so that it permits nothing from now on; idempotent.

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
