"""What the figures depend on: versions, settings, the machine."""

import os
import platform
import sqlite3
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psycopg

from tests.support.postgres import Server

_PACKAGES = ("customer-state-projector", "eventsourcing", "duckdb", "psycopg", "SQLAlchemy")
_POSTGRES = ("server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers")


def settings(server: Server, bodies: list[bytes], *, customers: int, rounds: int) -> dict[str, str]:
    """Every version and setting, by name."""
    size = sum(map(len, bodies)) // len(bodies)
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{platform.system()} {platform.machine()}, {_processor()}",
        "cores": str(cores()),
        # Of others: the figures of a busy machine say little.
        "load average before": f"{os.getloadavg()[0]:.1f}",
        "events": f"{len(bodies):,} webhooks of {size:,} bytes, of {customers:,} customers",
        "rounds": str(rounds),
        "Python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        "SQLite": f"{sqlite3.sqlite_version}; WAL; synchronous=FULL, but see Catch-up",
        "Postgres": _postgres(server),
    }


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _postgres(server: Server) -> str:
    with psycopg.connect(server.url("postgres").replace("+psycopg", "")) as connection:
        shown = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in _POSTGRES]
    values = [row[0] for row in shown if row]
    named = zip(_POSTGRES[1:], values[1:], strict=True)
    return "; ".join([str(values[0]), *(f"{name}={value}" for name, value in named)])


def _processor() -> str:
    """The processor's name where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, "unknown")
