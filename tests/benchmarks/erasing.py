"""What it takes to forget customers: one, a hundred at once, and one with very many events."""

import random
import statistics
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from projector import Projector, open_projector
from projector.erasure import forget
from projector.store import schema
from projector.store.database import Database
from projector.store.erasure import purge
from tests.benchmarks.deliveries import deliveries
from tests.benchmarks.measure import percentiles
from tests.support.given import RECEIVED_AT, entered, envelope
from tests.support.items import rejected
from tests.support.postgres import Server

#: How many are forgotten one by one.
_SINGLE = 20
_LONG = "cust_long"
_BROKEN = 2_000
_BATCH = 5_000


def run(server: Server, folder: Path, *, events: int, long_events: int) -> None:
    """Print each figure for both databases; a customer has ten events. Without the purge."""
    for name, its_server in (("sqlite", None), ("postgres", server)):
        url = (
            f"sqlite:///{folder / 'erasing.db'}" if its_server is None else server.create_database()
        )
        schema.migrate(Database(url))
        with open_projector(url) as projector, pytest.MonkeyPatch.context() as patched:
            patched.setattr(purge, "purge", lambda _database: RECEIVED_AT)
            _fill(projector, folder, events)
            _few(name, projector, events)
            _many(name, projector, long_events)


def _fill(projector: Projector, folder: Path, events: int) -> None:
    file = folder / "erasing.ndjson"
    with file.open("wb") as stream:
        stream.writelines(deliveries(events, customers=events // 10))
    projector.ingest_file(str(file))
    projector.catch_up()


def _few(name: str, projector: Projector, events: int) -> None:
    ids = [each.customer_id for each in projector.export_customers()]
    random.Random(1).shuffle(ids)
    _one_by_one(name, projector, ids[:_SINGLE], f"one of {events:,} events")
    together = ids[_SINGLE : _SINGLE + 100]
    began = time.perf_counter()
    report = forget(projector.database, together)
    taken = time.perf_counter() - began
    print(
        f"{name:9} {len(together)} customers at once, {report.events:,} events:"
        f" {taken / len(together) * 1e3:.1f} ms each",
        flush=True,
    )
    _quarantine(projector)
    _one_by_one(
        name, projector, ids[200 : 200 + _SINGLE], f"one, with {_BROKEN:,} quarantined deliveries"
    )


def _one_by_one(name: str, projector: Projector, ids: Sequence[str], label: str) -> None:
    samples, counts = [], []
    for each in ids:
        began = time.perf_counter()
        counts.append(forget(projector.database, [each]).events)
        samples.append(time.perf_counter() - began)
    print(
        f"{name:9} {label} ({statistics.mean(counts):.1f} events each): {percentiles(samples)}",
        flush=True,
    )


def _quarantine(projector: Projector) -> None:
    from projector.store.append import append

    broken = [rejected(b'{"no": %d, "text": "%s"' % (n, b"x" * 1000)) for n in range(_BROKEN)]
    append(projector.database, broken, received_at=RECEIVED_AT)


def _many(name: str, projector: Projector, events: int) -> None:
    """Forget a customer with very many events, and trace the memory of Python."""
    from projector.store.append import append

    for begin in range(0, events, _BATCH):
        some = [
            envelope(entered(_LONG, "seg_1", at="2024-03-01T10:00:00Z", id=f"long_{number}"))
            for number in range(begin, min(begin + _BATCH, events))
        ]
        append(projector.database, some, received_at=RECEIVED_AT)
    projector.catch_up()
    began = time.perf_counter()
    forget(projector.database, [_LONG], dry_run=True)
    taken = time.perf_counter() - began
    tracemalloc.start()
    report = forget(projector.database, [_LONG])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(
        f"{name:9} a customer of {report.events:,} events: {taken:.1f} s, "
        f"{peak / 1e6:.0f} MB of Python's memory at most",
        flush=True,
    )
