"""Converts blocks of events to Parquet and back; needs pyarrow.

A file has one of two layouts: PLAIN, or ENCRYPTED, whose rows `encryption` makes. A row of the
digest of a plain file is the tuple of its columns in their order, with instants as RFC 3339 in UTC
with six digits of a second.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from attrs import frozen

from projector.store.log_ranges import COLUMNS, Block
from replay.archive import manifest

#: The most rows of a row group: what a reader of one event must read, and a writer holds in memory.
ROW_GROUP_ROWS = 2000

#: A row group ends once its columns take so much memory.
ROW_GROUP_BYTES = 32 * 1024 * 1024

ZSTD_LEVEL = 3

_INSTANT = pa.timestamp("us", "UTC")

_METADATA_KEY = "projector.archive.schema"


@frozen(kw_only=True)
class Layout:
    """The columns of a file, and how they are encoded."""

    #: The number of the manifest's schema.
    number: int
    schema: pa.Schema
    dictionaries: tuple[str, ...]
    encodings: dict[str, str]
    #: The column that is long, of which no statistics are of use.
    long: str


PLAIN = Layout(
    number=manifest.SCHEMA,
    schema=pa.schema(
        [
            pa.field("position", pa.int64(), nullable=False),
            pa.field("project_id", pa.string(), nullable=False),
            pa.field("event_id", pa.string(), nullable=False),
            pa.field("type", pa.string(), nullable=False),
            pa.field("stream_id", pa.int64()),
            pa.field("customer_id", pa.string()),
            pa.field("occurred_at", _INSTANT, nullable=False),
            pa.field("received_at", _INSTANT, nullable=False),
            pa.field("late", pa.bool_(), nullable=False),
            pa.field("source", pa.string(), nullable=False),
            pa.field("body", pa.string(), nullable=False),
        ]
    ),
    dictionaries=("project_id", "type", "stream_id", "customer_id", "source"),
    encodings={
        "position": "DELTA_BINARY_PACKED",
        "event_id": "DELTA_BYTE_ARRAY",
        "occurred_at": "DELTA_BINARY_PACKED",
        "received_at": "DELTA_BINARY_PACKED",
        "late": "PLAIN",
        "body": "PLAIN",
    },
    long="body",
)

ENCRYPTED = Layout(
    number=manifest.ENCRYPTED_SCHEMA,
    schema=pa.schema(
        [
            pa.field("position", pa.int64(), nullable=False),
            pa.field("project_id", pa.string(), nullable=False),
            pa.field("received_at", _INSTANT, nullable=False),
            pa.field("content", pa.string()),
            pa.field("encrypted", pa.binary()),
        ]
    ),
    dictionaries=("project_id",),
    encodings={
        "position": "DELTA_BINARY_PACKED",
        "received_at": "DELTA_BINARY_PACKED",
        "content": "PLAIN",
        "encrypted": "PLAIN",
    },
    long="encrypted",
)

_OCCURRED = COLUMNS.index("occurred_at")


def layout_of(*, is_encrypted: bool) -> Layout:
    """Return the layout of the files of an archive."""
    return ENCRYPTED if is_encrypted else PLAIN


def require_instants(block: Block) -> None:
    """Raise ValueError unless a block of the log has instants where they will be encrypted."""
    _as_array(block[_OCCURRED], PLAIN.schema.field("occurred_at"))


def as_batch(block: Block, layout: Layout = PLAIN) -> pa.RecordBatch:
    """Convert a block; raises ValueError or TypeError for values that no column can have."""
    return pa.record_batch(
        [_as_array(column, field) for column, field in zip(block, layout.schema, strict=True)],
        schema=layout.schema,
    )


def _as_array(column: Any, field: pa.Field) -> pa.Array:
    if field.type == _INSTANT:
        # Parsing text in Arrow takes a tenth of the time of converting datetimes.
        return pa.array(column, pa.string()).cast(_INSTANT)
    return pa.array(column, field.type)


def as_block(batch: pa.RecordBatch | pa.Table) -> Block:
    """Convert a batch of a layout to a block."""
    return tuple(
        _as_text(column).to_pylist() if column.type == _INSTANT else column.to_pylist()
        for column in batch.columns
    )


def in_microseconds(instants: Sequence[str]) -> list[int]:
    """Convert instants to microseconds since 1970; raises ValueError."""
    found: list[int] = pa.array(instants, pa.string()).cast(_INSTANT).cast(pa.int64()).to_pylist()
    return found


def _as_text(column: Any) -> Any:
    """Format instants; a cast and two replacements take a fifth of the time of `strftime`."""
    text = column.cast(pa.timestamp("us")).cast(pa.string())
    return pc.binary_join_element_wise(pc.replace_substring(text, " ", "T"), "Z", "")


class Writer:
    """Writes batches to a file, in row groups that are bounded in rows and in bytes."""

    def __init__(self, file: pq.ParquetWriter) -> None:
        self._file = file
        self._batches: list[pa.RecordBatch] = []
        self._rows = self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Add a batch, which is never divided."""
        if self._rows + batch.num_rows > ROW_GROUP_ROWS:
            self.flush()
        self._batches.append(batch)
        self._rows += batch.num_rows
        self._bytes += batch.nbytes
        if self._bytes >= ROW_GROUP_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what was added as a row group."""
        if self._batches:
            table = pa.Table.from_batches(self._batches)
            self._file.write_table(table, row_group_size=ROW_GROUP_ROWS)
        self._batches, self._rows, self._bytes = [], 0, 0


@contextmanager
def writer(path: Path, layout: Layout = PLAIN, *, zstd_level: int = ZSTD_LEVEL) -> Iterator[Writer]:
    """Open a file for batches of a layout."""
    with pq.ParquetWriter(
        path,
        layout.schema,
        version="2.6",
        compression="zstd",
        compression_level=zstd_level,
        use_dictionary=list(layout.dictionaries),
        column_encoding=layout.encodings,
        write_statistics=[name for name in layout.schema.names if name != layout.long],
        write_page_index=True,
        write_page_checksum=True,
        # Its bytes would change with the version of pyarrow.
        store_schema=False,
    ) as opened:
        opened.add_key_value_metadata({_METADATA_KEY: str(layout.number)})
        added = Writer(opened)
        yield added
        added.flush()


@contextmanager
def opened(source: Path | BinaryIO, layout: Layout = PLAIN) -> Iterator[pq.ParquetFile]:
    """Open a file for reading; raises ValueError unless it has the columns of a layout.

    Checksums of pages are verified.
    """
    with pq.ParquetFile(source, page_checksum_verification=True, pre_buffer=True) as file:
        require_layout(file, layout)
        yield file


def blocks(source: Path | BinaryIO, layout: Layout = PLAIN) -> Iterator[Block]:
    """Yield the row groups of a file; raises ValueError if it cannot be read."""
    with reading(), opened(source, layout) as file:
        for group in range(file.num_row_groups):
            yield as_block(file.read_row_group(group))


@contextmanager
def reading() -> Iterator[None]:
    """Translate the errors of a file that cannot be read into a ValueError of one line."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"its rows cannot be read: {str(error).splitlines()[0]}") from error


def require_layout(file: pq.ParquetFile, layout: Layout) -> None:
    """Raise ValueError unless a Parquet file has the columns and the number of a layout."""
    found = (file.metadata.metadata or {}).get(_METADATA_KEY.encode())
    if found != str(layout.number).encode():
        raise ValueError(f"its {_METADATA_KEY} is {found!r}, not {layout.number}")
    if not file.schema_arrow.equals(layout.schema):
        raise ValueError(f"its columns are not those of the schema: {file.schema_arrow}")
