"""What sealing costs: beside ingest and verify, for a proof, and for appends beside a sealer."""

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

from projector import Projector, open_projector
from projector.intake.ingest import BATCH_ITEMS_MAX
from projector.sealing.checkpoints import make_checkpoint
from projector.sealing.prove import prove_event
from projector.sealing.sealer import Sealer, SealerConfig
from projector.sealing.verify import verify_log
from projector.store import schema
from projector.store.database import Database
from projector.tlog.keys import SigningKey
from tests.benchmarks.deliveries import deliveries
from tests.benchmarks.measure import percentiles, processors
from tests.benchmarks.processes import seconds_of_server
from tests.support.postgres import Server

_KEY = SigningKey.create("bench.example/log", bytes(32))
_PROOFS = 200
#: How long a batch of the appends that are timed waits for the next one, in seconds: as at 5,000
#: deliveries a second, so that the sealer has something to follow.
_BATCH_ITEMS = 500
_PAUSE_SECONDS = 0.1
_BATCHES = 60


def run(server: Server, folder: Path, *, events: int, customers: int) -> None:
    """Print each figure for both databases."""
    for name, its_server in (("sqlite", None), ("postgres", server)):
        url = _new_url(folder, its_server)
        with open_projector(url) as projector:
            _work(name, projector, folder, its_server, events=events, customers=customers)
            _proofs(name, projector, str(folder / f"{name}-checkpoint"), events)
            _appends(name, projector, folder)


def _new_url(folder: Path, server: Server | None) -> str:
    url = f"sqlite:///{folder / 'sealing.db'}" if server is None else server.create_database()
    schema.migrate(Database(url))
    return url


def _work(
    name: str,
    projector: Projector,
    folder: Path,
    server: Server | None,
    *,
    events: int,
    customers: int,
) -> None:
    """Compare sealing with ingesting, and `log verify` with `verify`, by seconds of processors."""
    file, path = folder / "deliveries.ndjson", str(folder / f"{name}-checkpoint")
    with file.open("wb") as stream:
        stream.writelines(deliveries(events, customers=customers))

    def taken(work: Callable[[], object]) -> float:
        before = processors() + seconds_of_server(server)
        work()
        return (processors() + seconds_of_server(server) - before) / events * 1e6

    ingest = taken(lambda: projector.ingest_file(str(file)))
    seal = taken(lambda: make_checkpoint(projector.database, _KEY, path))
    projector.catch_up()
    verify = taken(projector.verify)
    verify_sealed = taken(
        lambda: verify_log(projector.database, against=[path], keys=[_KEY.verifier])
    )
    print(
        f"{name:9} {events:,} events, us of processors each: ingest {ingest:.1f}, "
        f"seal {seal:.1f} ({seal / ingest:.2f} x), verify {verify:.1f}, "
        f"log verify {verify_sealed:.1f} ({verify_sealed / verify:.2f} x)",
        flush=True,
    )
    again = [taken(lambda: make_checkpoint(projector.database, _KEY, path)) for _ in range(5)]
    print(
        f"{name:9} checkpoint without new events: {statistics.median(again) * events / 1e3:.1f} ms"
    )


def _proofs(name: str, projector: Projector, path: str, events: int) -> None:
    samples = []
    for position in random.Random(1).choices(range(1, events + 1), k=_PROOFS):
        began = time.perf_counter()
        prove_event(projector.database, position, path)
        samples.append(time.perf_counter() - began)
    print(f"{name:9} proof of an event of {events:,}: {percentiles(samples)}", flush=True)


def _appends(name: str, projector: Projector, folder: Path) -> None:
    """Time appends with and without a sealer behind them, in turn."""
    taken: dict[bool, list[float]] = {False: [], True: []}
    batches = _batches(len(taken) * 4)
    for number, some in enumerate(batches):
        is_sealed = bool(number % 2)
        with _sealer(projector.database, str(folder / f"{name}-behind"), is_sealed):
            taken[is_sealed] += _append(projector, some)
    for is_sealed, samples in taken.items():
        label = "with a sealer behind" if is_sealed else "without a sealer"
        print(f"{name:9} append of {_BATCH_ITEMS}, {label}: {percentiles(samples)}", flush=True)


def _batches(rounds: int) -> Iterator[Sequence[bytes]]:
    """For each round deliveries of new events, a batch each."""
    for number in range(rounds):
        # Another seed makes other ids.
        lines = deliveries(_BATCH_ITEMS * _BATCHES, customers=20_000, seed=100 + number)
        texts = b"".join(lines).splitlines()
        yield [
            b"\n".join(texts[at : at + _BATCH_ITEMS]) for at in range(0, len(texts), _BATCH_ITEMS)
        ]


def _append(projector: Projector, batches: Sequence[bytes]) -> list[float]:
    assert _BATCH_ITEMS <= BATCH_ITEMS_MAX
    samples = []
    for batch in batches:
        time.sleep(_PAUSE_SECONDS)
        began = time.perf_counter()
        report = projector.ingest([batch])
        samples.append(time.perf_counter() - began)
        assert report.appended == _BATCH_ITEMS, report
    return samples


@contextmanager
def _sealer(database: Database, out: str, is_there: bool) -> Iterator[None]:
    if not is_there:
        make_checkpoint(database, _KEY)
        yield
        return
    stop = Event()
    config = SealerConfig(key=_KEY, out=out, every_seconds=1)
    sealer = Sealer(database, config, is_leading=lambda: True)
    thread = Thread(target=sealer.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
