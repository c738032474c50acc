"""A rebuild beside its floor, and beside what people would write instead."""

import json
import statistics
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from projector.store import schema
from projector.store.database import Database
from tests.benchmarks.bare import Postgres, Sqlite
from tests.benchmarks.deliveries import deliveries
from tests.benchmarks.measure import seconds
from tests.benchmarks.others import by_duckdb
from tests.benchmarks.processes import watching
from tests.support.command import PROGRAM
from tests.support.postgres import Server


def run(server: Server, folder: Path, *, events: int, customers: int, rounds: int) -> None:
    """Print both databases' figures, taken in turn, and the median of each."""
    file = folder / "deliveries.ndjson"
    with file.open("wb") as stream:
        stream.writelines(deliveries(events, customers=customers))
    sqlite, postgres = f"sqlite:///{folder / 'rebuild.db'}", server.create_database()
    schema.migrate(Database(postgres))
    for name, url in (("sqlite", sqlite), ("postgres", postgres)):
        _program(url, "ingest", "--no-catch-up", str(file))
        _rebuild(name, url, "parallel")
        bare = Sqlite(url, folder) if name == "sqlite" else Postgres(url, server)
        _compare(
            name,
            {
                "floor": bare.floor,
                "parallel, 2 workers": lambda name=name, url=url: _rebuild(name, url, "parallel"),
                "in-process": lambda name=name, url=url: _rebuild(name, url, "in-process"),
                "set-based SQL": bare.by_sql,
                "export and DuckDB": lambda bare=bare: by_duckdb(bare.bodies(), folder),
            },
            events=events,
            rounds=rounds,
        )


def memory(folder: Path, *, events: int, customers: int) -> None:
    """Print the memory of all processes of a rebuild of a log, and its pause."""
    url = f"sqlite:///{folder / 'large.db'}"
    with subprocess.Popen(
        [*PROGRAM, "--db", url, "ingest", "--no-catch-up", "-"], stdin=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        process.stdin.writelines(deliveries(events, customers=customers))
        process.stdin.close()
    done, peak = _watched(url, "rebuild", "--engine", "parallel", "--workers", "2", "--json")
    print(
        f"sqlite rebuild of {events:,} events: {done['seconds']:.1f} s, "
        f"{events / done['seconds']:,.0f} events/s, {peak:,.0f} MB in all processes, "
        f"pause {1000 * done['pause_seconds']:.0f} ms",
        flush=True,
    )


def _compare(
    name: str, ways: dict[str, Callable[..., object]], *, events: int, rounds: int
) -> None:
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, work in ways.items():
            times[way].append(seconds(work))
    floor = statistics.median(times["floor"])
    for way, taken in times.items():
        median = statistics.median(taken)
        print(
            f"{name + ' rebuild, ' + way:34} {median:6.1f} s {events / median:10,.0f} events/s "
            f"  {median / floor:5.2f} x the floor   ({' '.join(f'{each:.1f}' for each in taken)})",
            flush=True,
        )


def _rebuild(name: str, url: str, engine: str) -> None:
    workers = ["--workers", "2"] if engine == "parallel" else []
    done = json.loads(_program(url, "rebuild", "--engine", engine, *workers, "--json"))
    print(f"    {name} {engine}: pause {1000 * done['pause_seconds']:.0f} ms", flush=True)


def _program(url: str, *arguments: str) -> str:
    command = [*PROGRAM, "--db", url, *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def _watched(url: str, *arguments: str) -> tuple[Any, float]:
    """What a command prints, and the greatest sum of its processes' own memory, in megabytes."""
    command = [*PROGRAM, "--db", url, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with watching(process.pid) as peak:
            printed = process.stdout.read()
    return json.loads(printed), peak.megabytes
