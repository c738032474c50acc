"""The made-up shop of docs/sample in a database, delivered at the times at which it says."""

import importlib.util
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any

from projector.envelope import DeliveryDefaults, Item
from projector.intake.sources import read
from projector.projections import discover
from projector.runner.runner import catch_up
from projector.store.append import append
from projector.store.database import Database

_SAMPLE = Path(__file__).parents[2] / "docs" / "sample"

PROJECT = "proj_Kestrel4mZr8QwTx2LbVn6Yd"
MARA = "cust_Mara7vQ8tLwXz2RkNb4Yc1Pd"
PRIYA = "cust_Priya6nRb4HzKt9XwLm3Gs7Jq"
THEO = "cust_Theo3kW9mPxZs5TjQc8Vd2Rf"


def fill(
    database: Database,
    *,
    customers: int,
    until: datetime | None = None,
    paused: str | None = None,
    head_start: timedelta = timedelta(0),
) -> None:
    """Append the sample, and some customers more who were there until now; project all of it."""
    defaults = DeliveryDefaults(project_id=PROJECT)
    at = datetime(2025, 1, 1, tzinfo=UTC)
    for line in (_SAMPLE / "deliveries.ndjson").read_bytes().splitlines():
        # Each came when it was sent, or when the one before it came: it is not all JSON.
        found = re.search(rb'"created_at":"([^"]+)Z"', line)
        at = max(at, datetime.fromisoformat(f"{found[1].decode()}+00:00")) if found else at
        append(database, read(line, defaults), received_at=at + timedelta(seconds=1))
    until = until or datetime.now(UTC).replace(microsecond=0) - head_start
    arrivals = _module().deliveries(customers, until, paused=paused)
    for at, items in _by_hour(arrivals):
        append(database, items, received_at=at)
    catch_up(database, discover())


def _by_hour(
    arrivals: list[tuple[datetime, dict[str, Any]]],
) -> Iterator[tuple[datetime, list[Item]]]:
    """Yield the items of each hour, with the time of the last one."""
    for _, group in groupby(arrivals, key=lambda each: each[0].replace(minute=0, second=0)):
        together = list(group)
        items = [
            item
            for _, delivery in together
            for item in read(json.dumps(delivery).encode(), DeliveryDefaults())
        ]
        yield together[-1][0], items


@cache
def _module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("shop", _SAMPLE / "shop.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
