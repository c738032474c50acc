"""The commands: each opens the database, lets the library work, and prints what came of it."""

from __future__ import annotations

from projector.cli.commands import (
    customers,
    export,
    groups,
    ingest,
    projections,
    put_aside,
    rebuild,
    run,
    serve,
    token,
    why,
)

__all__ = [
    "customers",
    "export",
    "groups",
    "ingest",
    "projections",
    "put_aside",
    "rebuild",
    "run",
    "serve",
    "token",
    "why",
]
