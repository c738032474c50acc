"""The server over loopback: webhooks, answers, and how soon one shows in the other."""

import hashlib
import hmac
import itertools
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import msgspec

from projector import open_projector
from projector.store import schema
from projector.store.database import Database
from tests.benchmarks.clients import Load, get, load, post
from tests.benchmarks.deliveries import deliveries
from tests.benchmarks.measure import percentiles
from tests.support.postgres import Server

_SECRET = "secretKey"
_CONNECTIONS = 64

#: The server in a process of its own; `one` lets it commit each delivery by itself, `empty` is a
#: Starlette endpoint with nothing behind it on the same server.
_PROGRAM = """
import sys
from attrs import evolve
from projector.cli import main
from projector.server import main as server_main
from projector.server import writer

def empty(service):
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def hello(request):
        return JSONResponse({"hello": "world"})

    return Starlette(routes=[Route("/hello", hello)])

if sys.argv[1] == "one":
    writer.BOUNDS = evolve(writer.BOUNDS, together_max=1)
if sys.argv[1] == "empty":
    server_main.build = empty
main(["serve", "--port", "0", *sys.argv[2:]])
"""


@contextmanager
def serving(url: str, mode: str = "all", *arguments: str) -> Iterator[int]:
    """A server on its own; gives the port."""
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, mode, *arguments],
        env={**os.environ, "PROJECTOR_DATABASE_URL": url, "PROJECTOR_WEBHOOK_SECRET": _SECRET},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        address = next(line for line in process.stderr if line.startswith("Listening"))
        yield int(address.partition("127.0.0.1:")[2].partition(";")[0])
    finally:
        process.terminate()
        process.communicate()


def run(server: Server, folder: Path, *, events: int, customers: int, rounds: int) -> None:
    """Print the rates and latencies, on SQLite and on Postgres."""
    for name in ("sqlite", "postgres"):
        if name == "sqlite":
            url = f"sqlite:///{folder / 'serving.db'}"
        else:
            url = server.create_database()
            schema.migrate(Database(url))
        with open_projector(url) as projector:
            projector.ingest(deliveries(events, customers=customers))
            projector.catch_up()
        _webhooks(name, url, rounds)
        _answers(name, url, customers, rounds)
        _visible(name, url, 500)


def _webhooks(name: str, url: str, rounds: int) -> None:
    seeds = itertools.count(int(time.time()))
    for number in range(rounds):
        rates = {}
        for mode, count in (("all", 20_000), ("one", 3_000)):
            with serving(url, mode) as port:
                _warm(port)
                done = load(port, _signed(count, next(seeds)), connections=_CONNECTIONS)
            rates[mode] = done.rate
            _print(f"{name} webhooks, {mode}", done)
        print(
            f"{name + ' webhooks, round ' + str(number):34} ratio {rates['all'] / rates['one']:.1f}"
        )


def _answers(name: str, url: str, customers: int, rounds: int) -> None:
    for number in range(rounds):
        with serving(url, "empty") as port:
            floor = load(port, itertools.repeat(get("/hello"), 20_000), connections=_CONNECTIONS)
        _print(f"{name} empty endpoint", floor)
        with serving(url) as port:
            _warm(port)
            done = load(port, _questions(10_000, customers), connections=_CONNECTIONS)
            _print(f"{name} customer", done)
            half = load(port, _questions(5_000, customers), connections=8, rate=done.rate / 2)
            _print(f"{name} customer, half of that load", half)
        print(f"{name + ' customer, round ' + str(number):34} ratio {done.rate / floor.rate:.2f}")


def _visible(name: str, url: str, count: int) -> None:
    """From a webhook's 200 to its state, asked for with the position that it was answered with."""
    samples = []
    with serving(url) as port:
        _warm(port)
        for request in _signed(count, int(time.time())):
            body = request.partition(b"\r\n\r\n")[2]
            customer = msgspec.json.decode(body)["event"]["entity_id"]
            position = _ask(port, request)["position"]
            begun = time.perf_counter()
            found = _ask(port, get(f"/customers/{customer}?min_position={position}"))
            samples.append(time.perf_counter() - begun)
            assert found["position"] >= position
            time.sleep(0.005)
    print(f"{name + ' 200 to readable':34} {percentiles(samples)}", flush=True)


def _ask(port: int, request: bytes) -> dict[str, Any]:
    import socket

    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(request.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n", 1))
        answer = b""
        while part := connection.recv(65536):
            answer += part
    found: dict[str, Any] = msgspec.json.decode(answer.partition(b"\r\n\r\n")[2])
    return found


def _print(name: str, done: Load) -> None:
    refused = f"   refused {done.refused}" if done.refused else ""
    print(
        f"{name:34} {done.rate:8,.0f} a second   {percentiles(done.latencies)}{refused}", flush=True
    )


def _signed(count: int, seed: int) -> Iterator[bytes]:
    """Webhooks, signed; made beforehand, for the client shall only send."""
    requests = []
    # Later than all that is in the log: a delivery that comes in its order is not late.
    for body in deliveries(count, customers=10_000, seed=seed, begin=datetime.now(UTC)):
        if body == b"\n":
            continue
        signature = hmac.new(_SECRET.encode(), body, hashlib.sha256).hexdigest()
        requests.append(post("/webhooks/voucherify", body, x_voucherify_signature=signature))
    return iter(requests)


def _questions(count: int, customers: int) -> Iterator[bytes]:
    random_ = random.Random(count)
    return iter([get(f"/customers/cust_{random_.randrange(customers):020d}") for _ in range(count)])


def _warm(port: int) -> None:
    """The first requests open connections to the database."""
    for _ in range(50):
        with urlopen(f"http://127.0.0.1:{port}/status") as answer:
            answer.read()
