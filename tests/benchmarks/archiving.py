"""Archives: their size beside the database's, and their processor time beside an ingest's."""

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from projector import Projector, open_projector
from projector.store import schema
from projector.store.database import Database
from replay.archive import check, read, shelf, write
from replay.archive.restore import restore
from tests.benchmarks.deliveries import deliveries
from tests.benchmarks.measure import processors
from tests.support.postgres import Server


def run(server: Server, folder: Path, *, events: int, customers: int) -> None:
    """Print sizes and processor times on both databases, of generated and of noisier bodies."""
    for name, lines in (
        ("generated", deliveries(events, customers=customers)),
        ("noisier", _noisier(events, customers)),
    ):
        file = folder / f"{name}.ndjson"
        with file.open("wb") as stream:
            stream.writelines(lines)
        print(f"{events:,} events with {name} bodies of {file.stat().st_size // events} bytes")
        _measure("sqlite", f"sqlite:///{folder / name}.db", file, folder, events)
        with server.database() as url:
            _measure("postgres", url, file, folder, events)


def _measure(name: str, url: str, file: Path, folder: Path, events: int) -> None:
    stored = shelf.opened(tempfile.mkdtemp(dir=folder, prefix="archive-"))
    with closing(Database(url)) as database:
        schema.migrate(database)
    with open_projector(url) as projector:
        ingested = _taken(lambda: projector.ingest_file(str(file)))

        def show(what: str, work: Callable[[], object]) -> None:
            taken = _taken(work)
            print(
                f"{name:9} {what:26} {taken / events * 1e6:6.1f} µs of processor an event   "
                f"{taken / ingested:.2f} of the ingest",
                flush=True,
            )

        print(f"{name:9} {'ingest':26} {ingested / events * 1e6:6.1f} µs of processor an event")
        show("archive write", lambda: write.write(projector.database, stored, until="head"))
        show("archive check", lambda: check.check(stored))
        show("archive check --contents", lambda: check.check(stored, contents=True))
        show("archive check --log", lambda: check.check(stored, projector.database))
        _show_sizes(name, projector, stored, events)
        if projector.database.is_sqlite:
            with open_projector(f"{url}.restored", create=True) as other:
                show("archive restore", lambda: restore(other.database, read.read(stored)))


def _show_sizes(name: str, projector: Projector, stored: shelf.Shelf, events: int) -> None:
    size = sum(each.size for each in stored.names("events/")) / events
    shown = f"{name:9} {size:.1f} bytes an event in the archive"
    if projector.database.is_sqlite:
        path = Path(str(projector.database.url.database))
        projector.close()
        whole = path.stat().st_size / events
        shown += f", {whole:,.0f} in the file of the log: {size / whole:.3f}"
    print(shown, flush=True)


def _taken(work: Callable[[], object]) -> float:
    """Return the seconds of processor that a piece of work takes in this process."""
    begin = processors()
    work()
    return processors() - begin


def _noisier(events: int, customers: int) -> Iterator[bytes]:
    """Deliveries whose names, addresses and sums differ from event to event."""
    random_ = random.Random(7)
    for line in deliveries(events, customers=customers):
        if line == b"\n":
            yield line
            continue
        delivery = msgspec.json.decode(line)
        customer = delivery["data"]["customer"]
        customer["name"] = random_.randbytes(9).hex()
        customer["email"] = f"{random_.randbytes(9).hex()}@{random_.randbytes(4).hex()}.test"
        customer["metadata"] = {
            "spent": random_.randrange(10**9),
            "street": random_.randbytes(12).hex(),
            "phone": random_.randrange(10**12),
        }
        yield msgspec.json.encode(delivery)
