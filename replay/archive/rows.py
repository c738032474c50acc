"""Converts blocks of events to Parquet and back; needs pyarrow.

A row of the digest is the tuple of the columns in the order of SCHEMA, with instants as RFC 3339 in
UTC with six digits of a second.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from projector.store.log_ranges import Block
from replay.archive.manifest import SCHEMA as SCHEMA_NUMBER

#: The most rows of a row group: what a reader of one event must read, and a writer holds in memory.
ROW_GROUP_ROWS = 2000

#: A row group ends once its columns take so much memory.
ROW_GROUP_BYTES = 32 * 1024 * 1024

ZSTD_LEVEL = 3

_INSTANT = pa.timestamp("us", "UTC")

SCHEMA = pa.schema(
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
)

_METADATA = {"projector.archive.schema": str(SCHEMA_NUMBER)}

_DICTIONARIES = ["project_id", "type", "stream_id", "customer_id", "source"]
_ENCODINGS = {
    "position": "DELTA_BINARY_PACKED",
    "event_id": "DELTA_BYTE_ARRAY",
    "occurred_at": "DELTA_BINARY_PACKED",
    "received_at": "DELTA_BINARY_PACKED",
    "late": "PLAIN",
    "body": "PLAIN",
}


def as_batch(block: Block) -> pa.RecordBatch:
    """Convert a block; raises ValueError or TypeError for values that no column can have."""
    return pa.record_batch(
        [_as_array(column, field) for column, field in zip(block, SCHEMA, strict=True)],
        schema=SCHEMA,
    )


def _as_array(column: Any, field: pa.Field) -> pa.Array:
    if field.type == _INSTANT:
        # Parsing text in Arrow takes a tenth of the time of converting datetimes.
        return pa.array(column, pa.string()).cast(_INSTANT)
    return pa.array(column, field.type)


def as_block(batch: pa.RecordBatch | pa.Table) -> Block:
    """Convert a batch of SCHEMA to a block."""
    return tuple(
        _as_text(column).to_pylist() if column.type == _INSTANT else column.to_pylist()
        for column in batch.columns
    )


def _as_text(column: Any) -> Any:
    """Format instants; a cast and two replacements take a fifth of the time of `strftime`."""
    text = column.cast(pa.timestamp("us")).cast(pa.string())
    return pc.binary_join_element_wise(pc.replace_substring(text, " ", "T"), "Z", "")


class Writer:
    """Writes batches of SCHEMA to a file, in row groups that are bounded in rows and in bytes."""

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
def writer(path: Path, *, zstd_level: int = ZSTD_LEVEL) -> Iterator[Writer]:
    """Open a file for batches of SCHEMA."""
    with pq.ParquetWriter(
        path,
        SCHEMA,
        version="2.6",
        compression="zstd",
        compression_level=zstd_level,
        use_dictionary=_DICTIONARIES,
        column_encoding=_ENCODINGS,
        write_statistics=[name for name in SCHEMA.names if name != "body"],
        write_page_index=True,
        write_page_checksum=True,
        # Its bytes would change with the version of pyarrow.
        store_schema=False,
    ) as opened:
        opened.add_key_value_metadata(_METADATA)
        added = Writer(opened)
        yield added
        added.flush()


@contextmanager
def opened(source: Path | BinaryIO) -> Iterator[pq.ParquetFile]:
    """Open a file for reading; raises ValueError unless it has the columns of SCHEMA.

    Checksums of pages are verified.
    """
    with pq.ParquetFile(source, page_checksum_verification=True, pre_buffer=True) as file:
        require_schema(file)
        yield file


def blocks(source: Path | BinaryIO) -> Iterator[Block]:
    """Yield the row groups of a file; raises ValueError if it cannot be read."""
    try:
        with opened(source) as file:
            for group in range(file.num_row_groups):
                yield as_block(file.read_row_group(group))
    except (pa.ArrowException, OSError, ValueError) as error:
        raise ValueError(f"its rows cannot be read: {str(error).splitlines()[0]}") from error


def require_schema(file: pq.ParquetFile) -> None:
    """Raise ValueError unless a Parquet file has the columns and the number of SCHEMA."""
    found = file.metadata.metadata or {}
    for key, number in _METADATA.items():
        if found.get(key.encode()) != number.encode():
            raise ValueError(f"its {key} is {found.get(key.encode())!r}, not {number}")
    if not file.schema_arrow.equals(SCHEMA):
        raise ValueError(f"its columns are not those of the schema: {file.schema_arrow}")
