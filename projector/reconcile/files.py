"""Reads files that say of customers which segments and tiers they have: NDJSON, or CSV.

A line of NDJSON is a customer: `customer_id` or `source_id`, `segments` (ids, or objects with id
and name; all that the customer is in), `tiers` (tier ids or null by campaign id), `observed_at`.
CSV, as the vendor's dashboard exports it, has the members of one segment.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated

import msgspec
from attrs import field, frozen
from msgspec import Meta, Struct

from projector.backfill.id_files import COLUMNS
from projector.envelope import id_problem
from projector.errors import (
    BadInstant,
    ObservationFileBad,
    ObservedAtMissing,
    ProjectorError,
    SegmentNotGiven,
)
from projector.intake.files import read_chunks
from projector.reconcile.options import check_past
from projector.text import instants
from projector.text.instants import shorten

#: The longest line, in characters.
_LINE_CHARACTERS_MAX = 1024 * 1024

_Text = Annotated[str, Meta(min_length=1)]


class _SegmentLine(Struct, forbid_unknown_fields=False):
    id: _Text
    name: str | None = None


class _Line(Struct, forbid_unknown_fields=True):
    customer_id: _Text | None = None
    source_id: _Text | None = None
    segments: list[_Text | _SegmentLine] | None = None
    tiers: dict[str, _Text | None] | None = None
    observed_at: str | None = None


_line = msgspec.json.Decoder(_Line)


@frozen(kw_only=True)
class FileEntry:
    """What a file says of one customer."""

    customer_id: str | None
    source_id: str | None
    #: Names by id; None if the file says nothing of segments.
    segments: Mapping[str, str | None] | None = None
    #: Ids by campaign.
    tiers: Mapping[str, str | None] = field(factory=dict)
    observed_at: datetime
    line: int


class ObservationFile:
    """A file, of which a copy is kept on disk, since it is read more than once; close it."""

    def __init__(
        self, path: str, *, segment_id: str | None, observed_at: datetime | None, now: datetime
    ) -> None:
        """Copy and check a file; raises FileUnreadable, FormatUnreadable or ObservationFileBad.

        Raises SegmentNotGiven, ObservedAtMissing or BadInstant, too.
        """
        self._path = path
        self._segment_id = segment_id
        self._observed_at = observed_at
        self._now = now
        self._copy = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as this
        try:
            self._copy.writelines(read_chunks(path))
            #: Whether it is CSV: the members of one segment.
            self.is_csv = self._is_csv()
            #: The number of customers.
            self.count = sum(1 for _ in self.read())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Delete the copy."""
        self._copy.close()

    def read(self) -> Iterator[FileEntry]:
        """Yield what is said of each customer, each time from the first one on."""
        self._copy.seek(0)
        text = io.TextIOWrapper(self._copy, "utf-8-sig", errors="surrogateescape", newline="")
        try:
            yield from self._read_csv(text) if self.is_csv else self._read_lines(text)
        finally:
            # Otherwise it would close the copy.
            text.detach()

    def _is_csv(self) -> bool:
        self._copy.seek(0)
        begin = self._copy.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
        # An array is none of both; as NDJSON it gets the better error.
        return not begin.startswith((b"{", b"["))

    def _read_lines(self, text: io.TextIOWrapper) -> Iterator[FileEntry]:
        number = 0
        while line := text.readline(_LINE_CHARACTERS_MAX):
            number += 1
            if line.strip():
                yield self._entry(line, number)

    def _entry(self, text: str, number: int) -> FileEntry:
        try:
            line = _line.decode(text)
        except (ValueError, RecursionError) as error:
            raise self._bad(number, str(error)) from None
        if (line.customer_id is None) == (line.source_id is None):
            raise self._bad(number, "Exactly one of customer_id and source_id is needed.")
        segments = None
        if line.segments is not None:
            objects = [
                _SegmentLine(each) if isinstance(each, str) else each for each in line.segments
            ]
            segments = {each.id: each.name for each in objects}
        tiers = line.tiers or {}
        ids = [line.customer_id, line.source_id, *(segments or {}), *tiers, *tiers.values()]
        for identifier in ids:
            if identifier is not None and (problem := id_problem(identifier)):
                raise self._bad(number, f"The id {shorten(identifier)!r} {problem}.")
        return FileEntry(
            customer_id=line.customer_id,
            source_id=line.source_id,
            segments=segments,
            tiers=tiers,
            observed_at=self._time(line.observed_at, number),
            line=number,
        )

    def _time(self, text: str | None, number: int) -> datetime:
        if text is None:
            if self._observed_at is None:
                raise ObservedAtMissing(path=self._path, where=f" in line {number}")
            return self._observed_at
        try:
            found = instants.parse(text)
            check_past(found, now=self._now)
        except (ValueError, BadInstant) as error:
            raise self._bad(number, f"observed_at: {error}") from None
        return found

    def _read_csv(self, text: io.TextIOWrapper) -> Iterator[FileEntry]:
        if self._segment_id is None:
            raise SegmentNotGiven(path=self._path)
        if self._observed_at is None:
            raise ObservedAtMissing(path=self._path, where="")
        try:
            # Strict, because an open quote would make one id of the rest of the file.
            rows = csv.reader(iter(lambda: text.readline(_LINE_CHARACTERS_MAX), ""), strict=True)
            names = [each.strip().lower() for each in next(rows, [])]
            column = next((names.index(name) for name in COLUMNS if name in names), None)
            if column is None:
                raise self._bad(1, "No column is named id or source_id.")
            for row in rows:
                if any(each.strip() for each in row):
                    member = dict(zip(names, row, strict=False))
                    yield self._member(
                        member,
                        names[column],
                        int(rows.line_num),
                        self._segment_id,
                        self._observed_at,
                    )
        except csv.Error as error:
            raise self._bad(1, f"it is no CSV: {error}") from None

    def _member(
        self,
        row: Mapping[str, str],
        column: str,
        number: int,
        segment_id: str,
        observed_at: datetime,
    ) -> FileEntry:
        identifier = row.get(column, "").strip()
        if problem := id_problem(identifier):
            raise self._bad(number, f"The {column} {shorten(identifier)!r} {problem}.")
        if (other := row.get("segment_id", "").strip()) not in ("", segment_id):
            raise self._bad(number, f"This is a member of the segment {shorten(other)!r}.")
        return FileEntry(
            customer_id=identifier if column == "id" else None,
            source_id=identifier if column == "source_id" else None,
            segments={segment_id: None},
            observed_at=observed_at,
            line=number,
        )

    def _bad(self, line: int, reason: str) -> ProjectorError:
        return ObservationFileBad(path=self._path, line=line, reason=reason)
