"""Runs the benchmarks: `python -m tests.benchmarks [--quick]`."""

import argparse
import gc
import os
import platform
import shutil
import sqlite3
import tempfile
from pathlib import Path

from tests.benchmarks import (
    answers,
    archiving,
    console,
    erasing,
    growing,
    log_and_tables,
    memory,
    rebuilding,
    sealing,
    serving,
)
from tests.support.postgres import running_server

#: The last three, of up to ten million events, run only when they are asked for.
_PARTS = [
    "log",
    "answers",
    "serve",
    "memory",
    "rebuild",
    "archive",
    "large",
    "growth",
    "console",
    "scale",
    "seal",
    "erasure",
]


def main() -> None:
    """Print each figure with what it was taken of."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the events, one round")
    parser.add_argument("--only", choices=_PARTS, help="one part alone")
    parser.add_argument(
        "--largest", type=int, default=5_000_000, help="the most events of the part growth"
    )
    parser.add_argument(
        "--customers", type=int, default=1_000_000, help="the customers of the part console"
    )
    options = parser.parse_args()
    share, rounds = (10, 1) if options.quick else (1, 5)
    # As the command line does.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    print(_machine())
    # On a disk: what is durable must be written somewhere, and /tmp may be memory.
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="projector-bench-"))
    try:
        if options.only in (None, "log"):
            with running_server(fsync=True) as server:
                log_and_tables.run(
                    server,
                    folder,
                    events=200_000 // share,
                    customers=20_000 // share,
                    rounds=rounds,
                )
        if options.only in (None, "answers"):
            with running_server(fsync=True) as server:
                answers.run(
                    server,
                    folder,
                    events=1_000_000 // share,
                    customers=100_000 // share,
                    questions=5_000,
                )
            answers.run_digest(
                folder, events=200_000 // share, customers=20_000 // share, rounds=rounds
            )
        if options.only in (None, "serve"):
            with running_server(fsync=True) as server:
                serving.run(
                    server,
                    folder,
                    events=200_000 // share,
                    customers=20_000 // share,
                    rounds=min(rounds, 3),
                )
        if options.only in (None, "rebuild"):
            with running_server(fsync=True) as server:
                rebuilding.run(
                    server,
                    folder,
                    events=1_000_000 // share,
                    customers=100_000 // share,
                    rounds=min(rounds, 3),
                )
            rebuilding.memory(folder, events=1_000_000 // share, customers=100_000 // share)
        if options.only in (None, "archive"):
            with running_server() as server:
                archiving.run(server, folder, events=120_000 // share, customers=12_000 // share)
        if options.only in (None, "seal"):
            with running_server(fsync=True) as server:
                sealing.run(server, folder, events=1_000_000 // share, customers=100_000 // share)
        if options.only in (None, "erasure"):
            with running_server(fsync=True) as server:
                erasing.run(server, folder, events=200_000 // share, long_events=200_000 // share)
        if options.only == "large":
            rebuilding.memory(folder, events=10_000_000 // share, customers=1_000_000 // share)
        if options.only == "growth":
            with running_server(fsync=True) as server:
                growing.run(
                    server, folder, largest=options.largest, share=share, machine=_machine()
                )
        if options.only == "console":
            with running_server(fsync=True) as server:
                console.run(server, folder, customers=options.customers // share)
        if options.only == "scale":
            # Here, because it needs Spark.
            from tests.benchmarks import scaling

            with running_server(fsync=True) as server:
                scaling.run(
                    server, folder, events=200_000 // share, share=share, machine=_machine()
                )
        if options.only in (None, "memory"):
            memory.run(folder, events=2_000_000 // share, customers=200_000 // share)
    finally:
        shutil.rmtree(folder)


def _machine() -> str:
    return (
        f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"
    )


main()
