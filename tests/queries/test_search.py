"""A customer is found by what a person knows."""

from typing import Any

import pytest

from projector import Projector
from projector.errors import BadNumber
from projector.queries.search import Match, SearchResult
from projector.store.database import Database
from tests.support.given import append_and_project, created, deleted, updated

MONDAY, TUESDAY = (f"2024-03-0{day}T10:00:00Z" for day in (4, 5))

_PEOPLE = {
    "cust_1": ("shop-1", "Mara Lindqvist", "mara@example.com"),
    "cust_2": ("shop-10", "Anna Martin", "ANNA.M@example.com"),
    "cust_3": ("SHOP-2", "Zoë Łęcka", "mars@example.com"),
    "cust_4": ("shop-1x", "100% Mann_", None),
    "cust_5": ("Mart-7", None, "x@example.com"),
    "cust_6": ("shop-6", "José García López", "jose@example.com"),
    "cust_7": ("mara@example.com", "Bo", "bo@example.com"),
}


@pytest.fixture
def people(database: Database) -> Database:
    append_and_project(
        database,
        *(
            created(id_, at=MONDAY, source_id=source_id, name=name, email=email)
            for id_, (source_id, name, email) in _PEOPLE.items()
        ),
        created("cust_1", at=MONDAY, name="Mara of another shop", project_id="proj_2"),
        updated("cust_8", at=MONDAY, name="Gone Martinez"),
        deleted("cust_8", at=TUESDAY),
    )
    return database


def _found(database: Database, text: str, **asked: Any) -> list[tuple[str, str]]:
    return [(each.customer_id, each.match) for each in Projector(database).search(text, **asked)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("cust_2", [("cust_2", "exact")], id="an id"),
        pytest.param("cust_", [], id="no beginning of an id"),
        pytest.param(" shop-6 ", [("cust_6", "exact")], id="a source id"),
        pytest.param("shop-2", [("cust_3", "exact")], id="a source id in small letters"),
        pytest.param(
            "shop-1",
            [("cust_1", "exact"), ("cust_2", "beginning"), ("cust_4", "beginning")],
            id="a source id, which is the beginning of others",
        ),
        pytest.param(
            "Mara@Example.com", [("cust_7", "exact"), ("cust_1", "exact")], id="an address"
        ),
        pytest.param("anna.", [("cust_2", "beginning")], id="the beginning of an address"),
        pytest.param(
            "mar",
            [
                ("cust_7", "beginning"),
                ("cust_1", "beginning"),
                ("cust_1", "beginning"),
                ("cust_3", "beginning"),
                ("cust_2", "word"),
                ("cust_8", "word"),
            ],
            id="beginnings of a source id, names and an address, and words",
        ),
        pytest.param("MART", [("cust_2", "word"), ("cust_8", "word")], id="capitals"),
        pytest.param("zoe le", [("cust_3", "beginning")], id="without accents"),
        pytest.param("Łęc", [("cust_3", "word")], id="with accents"),
        pytest.param("garcia l", [("cust_6", "word")], id="two words within a name"),
        pytest.param("ann_", [], id="a wildcard is a character"),
        pytest.param("mann_", [("cust_4", "word")], id="as it is written"),
        pytest.param("100%", [("cust_4", "beginning")], id="a wildcard of many"),
        pytest.param("", [], id="nothing"),
        pytest.param("  ", [], id="white space"),
        pytest.param("\0", [], id="NUL"),
        pytest.param("\ud800", [], id="half a character"),
        pytest.param("m" * 5_000, [], id="very long"),
        pytest.param("'; DROP TABLE customer --", [], id="SQL"),
    ],
)
def test_a_customer_is_found(people: Database, text: str, found: list[tuple[str, str]]) -> None:
    """Exact ids first, then beginnings, then words within names; each once."""
    assert _found(people, text) == found


def test_a_project_is_a_filter(people: Database) -> None:
    assert _found(people, "mara", project_id="proj_2") == [("cust_1", "beginning")]
    assert _found(people, "cust_1", project_id="proj_2") == [("cust_1", "exact")]
    assert _found(people, "another", project_id="proj_1") == []
    assert _found(people, "shop-1", project_id="proj_3") == []


def test_a_result_tells_who_it_is(people: Database) -> None:
    [gone] = Projector(people).search("Gone")
    assert gone.deleted_at is not None
    assert gone == SearchResult(
        project_id="proj_1",
        customer_id="cust_8",
        source_id=None,
        name="Gone Martinez",
        email=None,
        deleted_at=gone.deleted_at,
        last_event_at=gone.deleted_at,
        match=Match.BEGINNING,
    )


def test_a_customer_without_a_readable_event_is_found_by_the_id(database: Database) -> None:
    append_and_project(database, created("cust_1", at=MONDAY, name=7))
    [found] = Projector(database).search("cust_1")
    assert (found.name, found.last_event_at, found.match) == (None, None, Match.EXACT)


def test_the_best_matches_are_within_the_limit(people: Database) -> None:
    assert _found(people, "shop-1", limit=2) == [("cust_1", "exact"), ("cust_2", "beginning")]
    for limit in (0, 21):
        with pytest.raises(BadNumber):
            Projector(people).search("shop", limit=limit)
