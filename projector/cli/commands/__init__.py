"""The commands: each one opens the database, calls the library, and prints the result."""

from __future__ import annotations

from projector.cli.commands import (
    customers,
    dead_letters,
    export,
    groups,
    ingest,
    migrate,
    quarantine,
    rebuild,
    run,
    serve,
    status,
    token,
    verify,
    why,
)

__all__ = [
    "customers",
    "dead_letters",
    "export",
    "groups",
    "ingest",
    "migrate",
    "quarantine",
    "rebuild",
    "run",
    "serve",
    "status",
    "token",
    "verify",
    "why",
]
