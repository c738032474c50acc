"""Dead letters as a person sees them: page by page, counted by reason, and one with all of it."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from projector.errors import BadCursor, ProjectionUnknown
from projector.operate.dead_letters import ReasonCount, list_dead_letters, show_dead_letter
from projector.store import dead_letters as store_dead_letters
from projector.store.database import Database
from tests.support.dead_letters import READERS, many
from tests.support.given import RECEIVED_AT, append_and_project, created, entered, envelope
from tests.support.oracle import FUSSY

MONDAY = "2024-03-04T10:00:00Z"


def test_letters_are_listed_page_by_page(database: Database) -> None:
    append_and_project(database, *many(3), entered("cust_1", {}, at=MONDAY), projections=FUSSY)
    everyone = [
        *[("segment_membership", position) for position in (1, 2, 3, 4)],
        *[("segment_membership_history", 4)],
    ]
    assert _pages(database, limit=4) == [everyone[:4], everyone[4:]]
    assert _pages(database, limit=5) == [everyone]
    assert _pages(database, limit=2, projection="segment_membership") == [
        everyone[0:2],
        everyone[2:4],
    ]


def _pages(database: Database, **asked: Any) -> list[list[tuple[str, int]]]:
    pages = []
    after = None
    while True:
        page = list_dead_letters(database, after=after, **asked)
        pages.append(
            [
                (refusal.projection, each.position)
                for each in page.dead_letters
                for refusal in each.failures
            ]
        )
        after = page.next
        if after is None:
            return pages


@pytest.mark.parametrize("limit", [1, 2, 100])
def test_dead_letters_are_listed_page_by_page_of_all_projections_or_of_one(
    database: Database, limit: int
) -> None:
    append_and_project(
        database, *(entered(f"cust_{n}", {"name": "of no id"}, at=MONDAY) for n in range(3))
    )
    names = ["segment_membership", "segment_membership_history"]
    for projection in (None, *names):
        found, cursor = [], None
        while True:
            page = list_dead_letters(database, projection=projection, after=cursor, limit=limit)
            found += [(each.failures[0].projection, each.position) for each in page.dead_letters]
            cursor = page.next
            if cursor is None:
                break
        assert found == [
            (name, position)
            for name in names
            for position in (1, 2, 3)
            if projection in (None, name)
        ]
    first = list_dead_letters(database, projection="segment_membership", limit=1).next
    for projection, behind in (
        ("customer", []),
        ("segment_membership", [2, 3]),
        ("segment_membership_history", [1, 2, 3]),
    ):
        page = list_dead_letters(database, projection=projection, after=first, limit=9)
        assert [each.position for each in page.dead_letters] == behind


def test_only_the_most_frequent_reasons_are_listed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_and_project(database, *many(3), entered("cust_1", {}, at=MONDAY), projections=FUSSY)
    monkeypatch.setattr(store_dead_letters, "REASONS_MAX", 1)
    found = {
        name: [(each.projection, each.count) for each in _counts(database, name)]
        for name in (None, "segment_membership_history")
    }
    assert found == {
        None: [("segment_membership", 3)],
        "segment_membership_history": [("segment_membership_history", 1)],
    }


def _counts(database: Database, projection: str | None) -> Sequence[ReasonCount]:
    return list_dead_letters(database, projection=projection, limit=1).counts


def test_the_counts_are_those_of_all_pages(database: Database) -> None:
    append_and_project(database, *many(3), entered("cust_1", {}, at=MONDAY), projections=FUSSY)
    counts = list_dead_letters(database, limit=1).counts
    assert [(each.projection, each.count) for each in counts] == [
        ("segment_membership", 3), ("segment_membership", 1), ("segment_membership_history", 1),
    ]  # fmt: skip
    history = list_dead_letters(database, projection="segment_membership_history", limit=1)
    assert history.counts == counts[2:]


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(
            lambda at: list_dead_letters(at, projection="customers", limit=1), id="mistyped"
        ),
        pytest.param(lambda at: list_dead_letters(at, projection="\udcff", limit=1), id="no text"),
    ],
)
def test_a_projection_that_there_is_not_has_no_list(
    database: Database, ask: Callable[[Database], object]
) -> None:
    with pytest.raises(ProjectionUnknown):
        ask(database)


def test_the_cursor_of_another_list_is_refused(database: Database) -> None:
    with pytest.raises(BadCursor):
        list_dead_letters(database, after="WzJd", limit=1)


def test_a_letter_is_shown_with_all_that_is_known_of_its_event(database: Database) -> None:
    bad = entered("cust_1", {"name": "of no id"}, at=MONDAY, id="e2")
    append_and_project(database, created("cust_1", at=MONDAY), bad)
    found = show_dead_letter(database, 2)
    assert (found.event_id, found.customer_id, found.source) == ("e2", "cust_1", "webhook")
    assert found.received_at == RECEIVED_AT
    assert found.body == envelope(bad).body
    assert [each.projection for each in found.failures] == [*READERS]
