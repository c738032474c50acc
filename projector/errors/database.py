"""Errors of the connection to a database: reaching it, its rights, its pooler."""

from __future__ import annotations

from projector.errors.base import ProjectorError


class BadDatabaseUrl(ProjectorError):
    """Invalid database URL {url!r}: {reason}"""

    exit_code = 2
    hint = "Use sqlite:///FILE or postgresql://USER@HOST/NAME."


class DatabaseUnreachable(ProjectorError):
    """The database {url} cannot be used: {reason}"""

    exit_code = 4
    hint = "Check --db or PROJECTOR_DATABASE_URL, and that the server runs or the folder exists."


class DatabaseBusy(ProjectorError):
    """The database {url} is busy: {reason}"""

    exit_code = 4
    hint = "Nothing was lost. Run the command again when the other process has finished."


class DatabaseReadOnly(DatabaseUnreachable):
    """The database {url} does not take writes: {reason}"""

    hint = (
        "Queries work here. To write, give the URL of the primary server, or reset "
        "default_transaction_read_only."
    )


class EncodingUnsuitable(DatabaseUnreachable):
    """The database {url} cannot store every character: {reason}"""

    hint = "Create a database with `ENCODING 'UTF8' TEMPLATE template0`, and migrate that one."


class PoolerUnsuitable(DatabaseUnreachable):
    """The connection pooler of {url} does not support transactions: {reason}"""

    hint = "Let it pool transactions or sessions (pool_mode), or give the server's own URL."


class PoolerUndetected(DatabaseUnreachable):
    """The connection to {url} goes through a pooler that changes sessions: {reason}"""

    hint = "Nothing was lost. Add ?pooler=transaction to the URL."


class PoolerExhausted(DatabaseBusy):
    """The connection pooler of {url} has no free connection: {reason}"""

    hint = (
        "Nothing was lost. Raise the size of its pool; for a rebuild, which needs a connection for "
        "each worker and two more, PROJECTOR_DIRECT_DATABASE_URL can name the server itself."
    )


class RightsMissing(ProjectorError):
    """The database {url} denied permission: {reason}"""

    exit_code = 4
    hint = "Grant it to the role of the URL: docs/operations.md lists the rights for each task."


class SchemaUnusable(RightsMissing):
    """The role {role!r} of {url} cannot use any schema of its search_path, which is {path}."""

    hint = "Create a schema that it names, GRANT USAGE ON it to the role, or change search_path."


class RebuildRightsMissing(RightsMissing):
    """A rebuild in {url} lacks rights: {reason}."""

    hint = (
        "The tables are unchanged. Run it as the tables' owner, who needs CREATE on their schema; "
        "PROJECTOR_DIRECT_DATABASE_URL can name that role."
    )


class DirectDatabaseElsewhere(ProjectorError):
    """The direct URL {direct} leads to another database than {url}."""

    exit_code = 2
    hint = "Correct PROJECTOR_DIRECT_DATABASE_URL: the same database, without the pooler."
