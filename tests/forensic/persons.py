"""Fills a database with customers, each with a text of its own wherever a customer's data can be.

The texts are looked for in files, so they are plain ASCII and nowhere else: `zqgone017q` is in
everything of customer 17, who is to be erased, `zqkept018q` in everything of one who stays.
"""

import base64
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from projector.envelope import DeliveryDefaults
from projector.intake.sources import read
from projector.projections import discover
from projector.projections.rebuilding import SHADOW, rebuilding
from projector.runner.runner import catch_up
from projector.sealing.seal import seal
from projector.store import activity, jobs
from projector.store.activity import Reading, Status
from projector.store.append import append
from projector.store.database import Database
from projector.store.jobs import JobEnd
from projector.store.rebuild import shadow
from replay import rebuild
from replay.workspace import path_for
from tests.support import given
from tests.support.given import Delivery
from tests.support.snapshots import snapshots_every

CUSTOMERS = 300

#: One in so many is to be erased.
ERASED_EVERY = 3

#: The texts of those who are to be erased begin with it.
GONE = "zqgone"

_TEXT = re.compile(rb"zqgone(\d{3})q")
_BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
_RECEIVED_AT = datetime(2025, 1, 1, tzinfo=UTC)

#: The length, in bytes, of what a body needs overflow pages for on SQLite, and TOAST on Postgres.
_LONG = 10_000


def text_of(number: int) -> str:
    """The text of a customer."""
    return f"{GONE if number % ERASED_EVERY == 0 else 'zqkept'}{number:03}q"


def customer_id(number: int) -> str:
    """The id of a customer."""
    return f"cust_{text_of(number)}"


def erased_ids() -> list[str]:
    """The ids of the customers to be erased."""
    return [customer_id(number) for number in range(0, CUSTOMERS, ERASED_EVERY)]


def fill(database: Database) -> None:
    """Deliver everything, project and rebuild it, and have traces of it beside the log."""
    with snapshots_every(3):
        deliveries = [each for number in range(CUSTOMERS) for each in _history(number)]
        for begin in range(0, len(deliveries), 500):
            _append(database, deliveries[begin : begin + 500])
            catch_up(database, discover())
        seal(database)
        rebuild(database, discover())
        # Late: what is projected already is folded anew.
        _append(database, [_late(number) for number in range(CUSTOMERS)])
        catch_up(database, discover())
    _append(database, [each for number in range(CUSTOMERS) for each in _broken(number)])
    # Duplicates.
    _append(database, deliveries[::5])
    _leave_traces(database)
    _leave_rebuild(database)


def found_in(paths: Iterable[Path]) -> dict[str, Counter[int]]:
    """How often the text of each customer to be erased is in each of some files that has any."""
    found = {}
    for path in paths:
        if path.is_file():
            hits = Counter(int(hit) for hit in _TEXT.findall(path.read_bytes()))
            if hits:
                found[path.name] = hits
    return found


def persons_in(paths: Iterable[Path]) -> int:
    """How many customers to be erased are in files."""
    return len(set().union(*found_in(paths).values()))


def _history(number: int) -> Iterator[Any]:
    """What is told of a customer in a year, with everything that may name one."""
    text, who = text_of(number), customer_id(number)
    yield given.created(
        who,
        at=_at(0),
        id=f"ev_{text}_0",
        source_id=f"shop-{text}",
        name=f"Name {text}",
        email=f"{text}@mail.test",
        metadata={"note": f"{text}{_noise(number) if number % 10 == 0 else ''}{text}"},
        address={"line_1": text},
    )
    group = {"id": f"seg_{text}", "name": f"Group of {text}"}
    for day in range(1, 5):
        id = f"ev_{text}_{day}"
        kind = given.entered if day % 2 else given.left
        yield kind(who, group if number % 4 == 0 else "seg_1", at=_at(day), id=id)
    level = given.tier(f"ltr_{text}", name=f"Level {text}")
    yield given.joined(who, level if number % 4 == 0 else "ltr_1", at=_at(6), id=f"ev_{text}_6")
    if number % (5 * ERASED_EVERY) == 0:
        # It cannot be folded, and the reason quotes it.
        wrong = given.tier("ltr_1", expiration={"expiration_date": text})
        yield given.joined(who, wrong, at=_at(7), id=f"ev_{text}_7")


def _noise(number: int) -> str:
    """Text that Postgres cannot compress: it would hide what is looked for."""
    return base64.b64encode(Random(number).randbytes(_LONG)).decode()


def _late(number: int) -> Delivery:
    text = text_of(number)
    return given.updated(customer_id(number), at=_at(3), id=f"ev_{text}_9", name=f"New {text}")


def _broken(number: int) -> Iterator[Any]:
    """A conflict, and what is no JSON."""
    text = text_of(number)
    yield given.created(customer_id(number), at=_at(0), id=f"ev_{text}_0", name=f"Other {text}")
    yield f'{{"source_id": "shop-{text}"'.encode()


def _append(database: Database, deliveries: list[Any]) -> None:
    defaults = DeliveryDefaults(project_id="proj_1")
    bodies = (each if isinstance(each, bytes) else json.dumps(each).encode() for each in deliveries)
    items = [item for body in bodies for item in read(body, defaults)]
    append(database, items, received_at=_RECEIVED_AT)


def _leave_traces(database: Database) -> None:
    """A job about each customer, and the reading of each one's activity."""
    with database.writing() as connection:
        for number in range(CUSTOMERS):
            who, text = customer_id(number), text_of(number)
            activity.save(
                connection,
                Reading(
                    project_id="proj_1",
                    customer_id=who,
                    scope="",
                    status=Status.FAILED,
                    cursor=f"cur_{text}",
                    problem=f"Could not read {who}.",
                ),
            )
            arguments = json.dumps({"customer": who})
            asked = {"kind": "rebuild", "arguments": arguments, "asked_by": "operator"}
            job_id = jobs.add(connection, **asked, asked_at=_RECEIVED_AT)
            result = JobEnd(
                ended_at=_RECEIVED_AT, exit_code=1, result=arguments, problem=f"{who} is wrong."
            )
            jobs.end(connection, job_id, result)


def _leave_rebuild(database: Database) -> None:
    """The shadows and a file of a rebuild that was killed."""
    with database.writing() as connection:
        for each in discover():
            shadow.create(connection, rebuilding(each))
            connection.exec_driver_sql(f"INSERT INTO {each.name}{SHADOW} SELECT * FROM {each.name}")
    folder = path_for(database)
    folder.mkdir(mode=0o700)
    texts = map(text_of, range(CUSTOMERS))
    (folder / "bucket-0").write_text(" ".join(texts))


def _at(day: int) -> str:
    return f"{(_BEGIN + timedelta(days=day)).isoformat().removesuffix('+00:00')}.000Z"
