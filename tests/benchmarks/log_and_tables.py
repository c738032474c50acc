"""Append and catch-up against the floor of inserting the same ready rows with the bare driver."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from projector import Projector, open_projector
from projector.intake.ingest import BATCH_ITEMS_MAX
from projector.store import schema
from projector.store.database import Database
from tests.benchmarks import floors
from tests.benchmarks.deliveries import deliveries
from tests.benchmarks.measure import Pair, seconds
from tests.support.postgres import Server

Rows = list[tuple[Any, ...]]


def run(server: Server, folder: Path, *, events: int, customers: int, rounds: int) -> None:
    """Print append and catch-up for both databases, and the rebuild beside them."""
    file = folder / "deliveries.ndjson"
    with file.open("wb") as stream:
        stream.writelines(deliveries(events, customers=customers))
    print(
        f"{events:,} deliveries of {file.stat().st_size // events} bytes, {customers:,} customers, "
        f"batches of {BATCH_ITEMS_MAX:,}, {rounds} rounds"
    )
    rows = _rows(file, folder)
    _pairs("sqlite", file, rounds, events, _new_sqlite(folder), _sqlite_floor(folder, rows))
    rows = [floors.for_postgres(row) for row in rows]
    _pairs("postgres", file, rounds, events, _new_postgres(server), _postgres_floor(server, rows))


def _pairs(
    name: str,
    file: Path,
    rounds: int,
    events: int,
    new_url: Callable[[], str],
    floor: Callable[[], object],
) -> None:
    append, catch_up = Pair(f"{name} append", events), Pair(f"{name} catch-up", events)
    for _ in range(rounds):
        with open_projector(new_url()) as projector:
            append.ours.append(seconds(lambda: _ingest(projector, file)))
            bare = seconds(floor)
            append.floor.append(bare)
            catch_up.ours.append(seconds(projector.catch_up))
            catch_up.floor.append(bare)
    print(append.line(), catch_up.line(), sep="\n", flush=True)


def _ingest(projector: Projector, file: Path) -> None:
    projector.ingest_file(str(file))


def _rows(file: Path, folder: Path) -> Rows:
    path = folder / "rows.db"
    with open_projector(f"sqlite:///{path}") as projector:
        _ingest(projector, file)
    return floors.read_rows(path)


def _new_sqlite(folder: Path) -> Callable[[], str]:
    return lambda: f"sqlite:///{Path(tempfile.mkdtemp(dir=folder)) / 'projector.db'}"


def _sqlite_floor(folder: Path, rows: Rows) -> Callable[[], object]:
    def work() -> None:
        path = Path(tempfile.mkdtemp(dir=folder)) / "floor.db"
        floors.insert_sqlite(path, rows, batch=BATCH_ITEMS_MAX)

    return work


def _new_postgres(server: Server) -> Callable[[], str]:
    def make() -> str:
        url = server.create_database()
        schema.migrate(Database(url))
        return url

    return make


def _postgres_floor(server: Server, rows: Rows) -> Callable[[], object]:
    return lambda: floors.insert_postgres(server.create_database(), rows, batch=BATCH_ITEMS_MAX)
