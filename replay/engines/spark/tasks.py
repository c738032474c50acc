"""Runs the tasks of `archive_fold` as Spark's: rows come and go as Arrow record batches.

The executors import this module: they need this package, in the version of the driver, and the
extra `spark`, but no driver of a database.
"""

from __future__ import annotations

import gc
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any

import pyarrow as pa

from replay.engines.engine import Cost
from replay.engines.spark import archive_fold
from replay.engines.spark.archive_fold import ArchiveWork, FactRow, FoldResult, Tally
from replay.engines.spark.file_parts import FilePart

#: The columns of FactRow, as Spark and as Arrow name their types.
FACTS_DDL = (
    "stream long, at long, event_id string, position long, type string, fact binary,"
    " project_id string, customer_id string"
)
_FACTS = pa.schema(
    [
        ("stream", pa.int64()),
        ("at", pa.int64()),
        ("event_id", pa.string()),
        ("position", pa.int64()),
        ("type", pa.string()),
        ("fact", pa.binary()),
        ("project_id", pa.string()),
        ("customer_id", pa.string()),
    ]
)

#: The columns of a FoldResult.
RESULTS_DDL = (
    "name string, sha256 string, facts long, events_read long, facts_read long,"
    " cpu_seconds double, memory_bytes long"
)
_RESULTS = pa.schema(
    [
        ("name", pa.string()),
        ("sha256", pa.string()),
        ("facts", pa.int64()),
        ("events_read", pa.int64()),
        ("facts_read", pa.int64()),
        ("cpu_seconds", pa.float64()),
        ("memory_bytes", pa.int64()),
    ]
)


def read(
    work: ArchiveWork, parts: Sequence[FilePart], batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Read the parts whose indexes come in the batches, and yield their facts."""
    _require_same(work)
    _set_up()
    for batch in batches:
        for index in batch.column(0).to_pylist():
            for rows in archive_fold.read_facts(work, parts[index]):
                yield to_batch(rows)


def fold(work: ArchiveWork, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Fold the facts of one partition, which are sorted; yield the one result."""
    from pyspark import TaskContext

    _require_same(work)
    _set_up()
    context = TaskContext.get()
    assert context is not None, "this runs in a task"  # noqa: S101
    task = f"{context.partitionId():05}-{context.taskAttemptId()}"
    facts = chain.from_iterable(map(to_rows, batches))
    # Spark's own folders go with the executor, also if this process is killed.
    folder = os.environ["SPARK_LOCAL_DIRS"].split(",")[0]
    result = archive_fold.fold_facts(work, task, facts, folder)
    row = (
        result.name,
        result.sha256,
        result.facts,
        result.tally.events,
        result.tally.facts,
        result.cost.cpu_seconds,
        result.cost.memory_bytes_max,
    )
    yield pa.record_batch([[value] for value in row], schema=_RESULTS)


def to_result(row: Any) -> FoldResult:
    """Return the result that a row of `fold` states."""
    name, sha256, facts, events_read, facts_read, cpu_seconds, memory_bytes = row
    return FoldResult(
        name=name,
        sha256=sha256,
        facts=facts,
        tally=Tally(events_read, facts_read),
        cost=Cost(cpu_seconds=cpu_seconds, memory_bytes_max=memory_bytes),
    )


def to_batch(rows: Sequence[FactRow]) -> pa.RecordBatch:
    """Convert rows to a batch."""
    columns = zip(*rows, strict=True) if rows else [()] * len(_FACTS)
    arrays = [pa.array(values, each.type) for values, each in zip(columns, _FACTS, strict=True)]
    return pa.record_batch(arrays, schema=_FACTS)


def to_rows(batch: pa.RecordBatch) -> Iterator[FactRow]:
    """Yield the rows of a batch."""
    columns = (column.to_pylist() for column in batch.columns)
    return map(FactRow._make, zip(*columns, strict=True))


def _require_same(work: ArchiveWork) -> None:
    """Raise WorkerUnfit if this process would fold otherwise than the driver."""
    found = archive_fold.identity(work.projections)
    archive_fold.require_identity(work.identity, found, host=platform.node())


@cache
def _set_up() -> None:
    """Let the garbage collector of this process run as seldom as on the command line."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
