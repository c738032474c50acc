"""Where databases are made: SQLite in a folder, Postgres on a server."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from projector.store import schema
from projector.store.database import Database
from tests.support.postgres import Server


@frozen
class SqlitePlace:
    """Makes SQLite databases."""

    folder: Path
    name: str = "SQLite"

    @contextmanager
    def new(self, template: str | None = None) -> Iterator[str]:
        """Give the URL of an empty database, or of a copy, and remove it in the end."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        path = folder / "database.db"
        if template is not None:
            shutil.copy(template.removeprefix("sqlite:///"), path)
        try:
            yield f"sqlite:///{path}"
        finally:
            shutil.rmtree(folder)

    def migrate(self, url: str) -> None:
        """Nothing: the program does it when it opens the file."""


@frozen
class PostgresPlace:
    """Makes databases on a server."""

    server: Server
    name: str = "Postgres"

    @contextmanager
    def new(self, template: str | None = None) -> Iterator[str]:
        """Give the URL of an empty database, or of a copy, and drop it in the end."""
        url = self.server.create_database(template)
        try:
            yield url
        finally:
            self.server.drop_database(url)

    def migrate(self, url: str) -> None:
        """Make this program's tables."""
        database = Database(url)
        schema.migrate(database)
        database.close()


Place = SqlitePlace | PostgresPlace
