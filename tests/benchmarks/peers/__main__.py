"""Compares with the peers: `python -m tests.benchmarks.peers [--quick] [--rounds N]`."""

import argparse
import gc
import shutil
import tempfile
import time
from pathlib import Path

from tests.benchmarks.peers.material import Material, Sizes

_DOCS = Path(__file__).parents[3] / "docs"

_SIZES = Sizes(
    batches={1: 500, 100: 10_000, 1_000: 20_000},
    log=100_000,
    tail=3_000,
    replay=20_000,
    questions=2_000,
    customers=10_000,
)


def main() -> None:
    """Measure, and write the page and its chart."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the events, one round")
    parser.add_argument("--rounds", type=int, help="how often each way is timed (5)")
    parser.add_argument(
        "--folder", type=Path, help="where benchmarks.md is written (docs, but not of a quick run)"
    )
    options = parser.parse_args()
    rounds = options.rounds or (1 if options.quick else 5)
    sizes = _SIZES.divided(10) if options.quick else _SIZES
    written_to = options.folder or (None if options.quick else _DOCS)
    # As the command line does.
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    # On a disk: what is durable must be written somewhere, and /tmp may be memory.
    folder = Path(tempfile.mkdtemp(dir="/var/tmp", prefix="projector-peers-"))
    try:
        _run(Material(folder=folder, sizes=sizes), rounds, written_to)
    finally:
        shutil.rmtree(folder)


def _run(material: Material, rounds: int, folder: Path | None) -> None:
    # Here, for a worker of a rebuild needs none of it.
    from tests.benchmarks.peers.places import Place, PostgresPlace, SqlitePlace
    from tests.benchmarks.peers.report import write
    from tests.benchmarks.peers.sections import Course
    from tests.benchmarks.peers.settings import settings
    from tests.support.postgres import running_server

    begin = time.monotonic()
    with running_server(fsync=True) as server:
        known = settings(server, material.bodies, customers=material.sizes.customers, rounds=rounds)
        for name, value in known.items():
            print(f"{name}: {value}", flush=True)
        places: list[Place] = [SqlitePlace(material.folder), PostgresPlace(server)]
        found = [
            section
            for place in places
            for section in Course(place=place, material=material, rounds=rounds).sections()
        ]
    if folder is not None:
        write(folder, found, known)
        print(f"Written to {folder / 'benchmarks.md'}.")
    print(f"{time.monotonic() - begin:.0f} s in all.")


if __name__ == "__main__":
    main()
