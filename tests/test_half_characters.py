r"""A name that was cut within a character (`"Jo \ud83c"`), from its arrival to every answer."""

import json

import pytest

from projector.app import Projector
from projector.projections import discover
from projector.queries.customer_events import find_events
from projector.store.database import Database
from replay import rebuild
from replay.engines import ENGINES
from tests.support.databases import stored
from tests.support.given import created, entered, left, segment

MONDAY, TUESDAY = "2024-03-04T10:00:00Z", "2024-03-05T10:00:00Z"
_CUT = rb"Jo \ud83c"
_SHOWN = "Jo \ufffd"


def _lines() -> list[bytes]:
    events = [
        created("cust_1", at=MONDAY, name="@", source_id="@", email="@", metadata={"a@": ["@"]}),
        entered("cust_1", segment("seg_1", name="@"), at=MONDAY),
        left("cust_1", segment("seg_1", name="@"), at=TUESDAY),
        entered("cust_1", segment("seg_2", name="@"), at=TUESDAY),
    ]
    return [json.dumps(each).encode().replace(b"@", _CUT) for each in events]


@pytest.fixture
def projector(database: Database) -> Projector:
    """A program that has such deliveries in its log and tables."""
    projector = Projector(database)
    assert projector.ingest([b"\n".join(_lines())]).appended == 4
    projector.catch_up()
    return projector


def test_answers_show_the_replacement_character(projector: Projector) -> None:
    state = projector.customer("cust_1")
    assert (state.name, state.source_id) == (_SHOWN, _SHOWN)
    assert [each.name for each in state.segments] == [_SHOWN]
    assert state.complete
    assert projector.customer(_SHOWN, by_source_id=True) == state
    assert list(projector.export_customers()) == [state]
    assert [each.name for each in projector.segments()] == [_SHOWN, _SHOWN]
    assert _SHOWN in str(projector.why("cust_1", segment_id="seg_1"))
    [row] = stored(projector.database)["customer"]
    assert _SHOWN in row


def test_bodies_stay_as_they_came(projector: Projector) -> None:
    page = find_events(projector.database, "cust_1", limit=10)
    assert [each.body.encode() for each in page.events] == _lines()
    again = projector.ingest([b"\n".join(_lines())])
    assert (again.appended, again.duplicates) == (0, 4)


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_a_rebuild_reads_them_as_the_projector_did(projector: Projector, name: str) -> None:
    live = stored(projector.database)
    rebuild(projector.database, discover(), ENGINES[name])
    assert stored(projector.database) == live
