"""Runs the growth benchmark on both databases, and writes its page."""

import tempfile
from pathlib import Path

import psycopg

from projector.store import schema
from projector.store.database import Database
from tests.benchmarks import growth_report
from tests.benchmarks.extremes import Found, large_segment, long_stream
from tests.benchmarks.growth import Cost, costs
from tests.support.postgres import Server

_SIZES = (10_000, 100_000, 1_000_000)
_STREAM, _MEMBERS = 200_000, 1_000_000
_DOCS = Path(__file__).parents[2] / "docs"


def run(server: Server, folder: Path, *, largest: int, share: int, machine: str) -> None:
    """Print each figure; the page is written by a run of all events alone."""
    sizes = [size // share for size in (*(each for each in _SIZES if each < largest), largest)]
    taken: list[Cost] = []
    found: list[Found] = []

    def sqlite() -> str:
        return f"sqlite:///{Path(tempfile.mkdtemp(dir=folder)) / 'projector.db'}"

    def postgres() -> str:
        url = server.create_database()
        schema.migrate(Database(url))
        return url

    for name, new_url, its_server in (("sqlite", sqlite, None), ("postgres", postgres, server)):
        for extreme in (
            long_stream(name, new_url(), _STREAM // share),
            large_segment(name, new_url(), _MEMBERS // share),
        ):
            for each in extreme:
                print(each.line(), flush=True)
                found.append(each)
        for cost in costs(name, new_url, sizes, its_server):
            print(cost.line(), flush=True)
            taken.append(cost)
    if share == 1:
        growth_report.write(_DOCS, f"{machine}, {_version(server)}", taken, found)


def _version(server: Server) -> str:
    with psycopg.connect(server.admin.set(drivername="postgresql").render_as_string(False)) as it:
        return f"Postgres {it.info.server_version // 10_000}.{it.info.server_version % 10_000}"
