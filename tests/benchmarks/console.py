"""The pages of the console at the server, one client, with a million customers."""

import random
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote
from urllib.request import urlopen

from projector import open_projector
from projector.store import schema
from projector.store.database import Database
from tests.benchmarks.serving import serving
from tests.support.postgres import Server

_BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
_TIERS = ("Bronze", "Silver", "Gold")
_CHUNK = 1_000
_TIMES = 100


def run(server: Server, folder: Path, *, customers: int) -> None:
    """Print how long each page takes, on SQLite and on Postgres, beside its budget."""
    for name in ("sqlite", "postgres"):
        if name == "sqlite":
            url = f"sqlite:///{folder / 'console.db'}"
        else:
            url = server.create_database()
            schema.migrate(Database(url))
        began = time.perf_counter()
        with open_projector(url) as projector:
            projector.ingest(_deliveries(customers))
            projector.catch_up()
        print(f"{name:9} {customers:,} customers filled in {time.perf_counter() - began:.0f} s")
        with serving(url) as port:
            _wait(port)
            for page, budget, path in _pages(customers):
                _measure(name, page, budget, port, path)


def _pages(customers: int) -> Iterator[tuple[str, int, Callable[[random.Random], str]]]:
    """Yield pages with their budgets in milliseconds, and what makes a path."""

    def customer(chance: random.Random) -> str:
        return f"/console/customers/proj_1/cust_{chance.randrange(customers)}"

    yield "first page", 30, lambda _: "/console/"
    yield (
        "find: the beginning of a name",
        30,
        lambda chance: f"/console/?q={quote(_name(chance)[:8])}",
    )
    yield "find: a number", 30, lambda chance: f"/console/?q=shop-{chance.randrange(customers)}"
    yield "find: nobody", 30, lambda chance: f"/console/?q=qqzz{chance.randrange(99)}"
    yield "customer", 60, customer
    yield "why", 60, lambda chance: f"{customer(chance)}/why?what=tier:camp_1:ltr_1&on=2025-06-01"
    yield "segments", 120, lambda _: "/console/segments"
    yield "segment of all customers", 120, lambda _: "/console/segments/seg_all?project=proj_1"
    yield "tiers of a campaign", 120, lambda _: "/console/tiers/camp_1?project=proj_1"
    yield "health", 40, lambda _: "/console/operations"
    yield "part: fresh", 5, lambda _: "/console/parts/fresh"
    yield "GET /segments", 20, lambda _: "/segments"


def _by_name(chance: random.Random) -> str:
    return f"/console/?q={quote(_name(chance)[:8])}"


def _measure(
    name: str, page: str, budget: int, port: int, path: Callable[[random.Random], str]
) -> None:
    chance = random.Random(page)
    times = []
    for _ in range(_TIMES):
        target = f"http://127.0.0.1:{port}{path(chance)}"
        began = time.perf_counter()
        with urlopen(target) as answer:
            answer.read()
        times.append((time.perf_counter() - began) * 1_000)
        # Not from what all pages share for a moment.
        time.sleep(0.03)
    times.sort()
    p95 = times[int(len(times) * 0.95) - 1]
    note = "" if p95 <= budget else "  over"
    print(
        f"{name:9} {page:32} median {statistics.median(times):7.1f} ms   p95 {p95:7.1f} ms"
        f"   budget {budget} ms{note}",
        flush=True,
    )


def _wait(port: int) -> None:
    """Wait until the tables are up to date and the first pages are drawn."""
    while True:
        with urlopen(f"http://127.0.0.1:{port}/console/parts/fresh") as answer:
            if b"Up to date" in answer.read():
                return
        time.sleep(0.5)


def _deliveries(customers: int) -> Iterator[bytes]:
    """Yield NDJSON of three memberships and a tier for each customer, over two years."""
    chance = random.Random(1)
    lines: list[bytes] = []
    for number in range(customers):
        lines += _of_customer(chance, number)
        if len(lines) >= _CHUNK:
            yield b"".join(lines)
            lines.clear()
    yield b"".join(lines)


def _of_customer(chance: random.Random, number: int) -> Iterator[bytes]:
    at = _BEGIN + timedelta(minutes=chance.randrange(690 * 1440))
    name = _name(chance)
    customer = (
        f'"customer":{{"id":"cust_{number}","source_id":"shop-{number}","name":"{name}",'
        f'"email":"{name.replace(" ", ".").lower()}{number}@example.com"}}'
    )
    yield _line(number, 0, "customer.created", at, customer)
    for each, segment in enumerate(("all", str(number % 7), f"x{number % 23}"), 1):
        data = f'{customer},"segment":{{"id":"seg_{segment}","name":"Segment {segment}"}}'
        yield _line(number, each, "customer.segment.entered", at + timedelta(days=each), data)
    rank = chance.randrange(3)
    tier = (
        f'"campaign":{{"id":"camp_1","name":"Bean Club"}},"loyalty_tier":{{"id":"ltr_{rank}",'
        f'"name":"{_TIERS[rank]}","points":{{"from":{rank * 100},"to":{rank * 100 + 99}}}}}'
    )
    yield _line(
        number, 4, "customer.loyalty.tier.joined", at + timedelta(days=9), f"{customer},{tier}"
    )


def _line(number: int, index: int, type_: str, at: datetime, data: str) -> bytes:
    return (
        f'{{"id":"ev_{number}_{index}","type":"{type_}","created_at":"{at.isoformat()}",'
        f'"project_id":"proj_1","data":{{{data}}}}}\n'
    ).encode()


def _name(chance: random.Random) -> str:
    """Return a name of syllables: some 10,000 first and 100,000 last names."""
    syllables = [chance.choice("bdfgklmnprst") + chance.choice("aeiou") for _ in range(6)]
    return f"{''.join(syllables[:3]).title()} {''.join(syllables[3:]).title()}"
