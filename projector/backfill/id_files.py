"""Reads files that name customers: an id a line, or CSV with a column of ids."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator

from projector.envelope import id_problem
from projector.errors import BadIdentifier, FileUnreadable
from projector.intake.files import read_chunks
from projector.text.instants import shorten

#: The columns of CSV that name customers; the first one that is there.
COLUMNS = ("id", "source_id")

#: The longest line, in characters: a file without line breaks is something else.
_LINE_CHARACTERS_MAX = 64 * 1024


class IdFile:
    """The ids of a file, in order; close it.

    It keeps a copy on disk: they are read more than once, and standard input cannot be.
    """

    def __init__(self, path: str) -> None:
        """Copy and check a file; raises FileUnreadable, FormatUnreadable or BadIdentifier."""
        self._path = path
        self._copy = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as this
        try:
            self._copy.writelines(read_chunks(path))
            #: The number of ids.
            self.count = sum(1 for _ in self.read())
        except BaseException:
            self.close()
            raise

    def read(self) -> Iterator[str]:
        """Yield the ids, each time from the first one on."""
        self._copy.seek(0)
        text = io.TextIOWrapper(self._copy, "utf-8-sig", errors="surrogateescape", newline="")
        try:
            for identifier in _identifiers(text):
                if problem := id_problem(identifier):
                    raise BadIdentifier(name=self._path, text=shorten(identifier), reason=problem)
                yield identifier
        except csv.Error as error:
            raise FileUnreadable(path=self._path, reason=f"it is no CSV: {error}") from None
        finally:
            # Otherwise it would close the copy.
            text.detach()

    def close(self) -> None:
        """Delete the copy."""
        self._copy.close()


def _identifiers(text: io.TextIOWrapper) -> Iterator[str]:
    """Yield the ids: of a column if the first line names one, else a line each."""
    first = text.readline(_LINE_CHARACTERS_MAX)
    names = [name.strip().lower() for name in next(csv.reader([first]), [])]
    column = next((names.index(name) for name in COLUMNS if name in names), None)
    if column is not None:
        for row in csv.reader(text):
            if len(row) > column and row[column].strip():
                yield row[column].strip()
        return
    line = first
    while line:
        yield from filter(None, [line.strip()])
        line = text.readline(_LINE_CHARACTERS_MAX)
