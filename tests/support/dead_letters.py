"""Dead letters on purpose, and what a retry did with them."""

from collections.abc import Sequence
from typing import Any

import pytest
from attrs import frozen
from sqlalchemy import select

from projector.facts import codec
from projector.facts.events import FACTS, CustomerFact, DecodedFact, UndecodableFact
from projector.operate.dead_letters import DeadLetterRetryReport, list_dead_letters
from projector.projections import discover
from projector.projections.projection import Projection
from projector.store.database import Database
from projector.store.tables import checkpoint, dead_letter
from replay import rebuild
from replay.engines import ENGINES
from tests.support.databases import rows
from tests.support.given import Delivery, entered, joined, left, updated

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5, 6, 7))
#: The projections that read what enters or leaves a segment.
READERS = ("segment_membership", "segment_membership_history")


@frozen
class Unreadable:
    """A decoder that does not know some events yet."""

    event_ids: set[str]

    def learn(self, *event_ids: str) -> None:
        self.event_ids.difference_update(event_ids)


def unlearnt(monkeypatch: pytest.MonkeyPatch) -> Unreadable:
    """Takes the place of the decoder."""
    found, decode = Unreadable(set()), codec.decode_body

    def refuse(type_: str, source: str, body: str, *, is_nameless: bool) -> DecodedFact | None:
        if any(f'"{event_id}"' in body for event_id in found.event_ids):
            return UndecodableFact(FACTS[type_], "not yet known", CustomerFact())
        return decode(type_, source, body, is_nameless=is_nameless)

    monkeypatch.setattr(codec, "decode_body", refuse)
    return found


def made(database: Database) -> list[Any]:
    """All that projecting has made: the rows, the letters with their reasons, the digests."""
    marks = select(checkpoint.c.projection, checkpoint.c.position, checkpoint.c.digest)
    with database.reading() as connection:
        return [
            rows(database),
            sorted(tuple(row) for row in connection.execute(select(dead_letter))),
            sorted(tuple(row) for row in connection.execute(marks)),
        ]


def is_as_rebuilt(database: Database, projections: Sequence[Projection] = discover()) -> bool:
    before = made(database)
    rebuild(database, projections, ENGINES["in-process"])
    return made(database) == before


def positions_of(database: Database) -> set[int]:
    return {each.position for each in list_dead_letters(database, limit=1000).dead_letters}


def revisions(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        found = connection.execute(select(checkpoint.c.projection, checkpoint.c.generation))
        return {row[0]: row[1] for row in found}


def retried(*, resolved: int = 0, waiting: int = 0) -> DeadLetterRetryReport:
    return DeadLetterRetryReport(tried=resolved + waiting, resolved=resolved, waiting=waiting)


#: Some of it is refused by the fussy projections.
REFUSED = [
    left("cust_1", "seg_1", at=TUESDAY, id="e2"),
    entered("cust_1", "seg_1", at=WEDNESDAY, id="e3"),
    entered("cust_1", "seg_2", at=THURSDAY, id="e4"),
    left("cust_2", "seg_1", at=MONDAY, id="e5"),
    updated("cust_2", at=TUESDAY, name="Ada", id="e6"),
    joined("cust_2", "ltr_1", at=TUESDAY, id="e7"),
]


def many(customers: int) -> list[Delivery]:
    return [left(f"cust_{number}", "seg_1", at=MONDAY) for number in range(customers)]
