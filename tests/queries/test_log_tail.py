"""The log from its end on: every event once, of one type or of all."""

import pytest

from projector.errors import BadIdentifier
from projector.queries import log_tail
from projector.queries.log_tail import read_log_page
from projector.store.append import append
from projector.store.database import Database
from tests.support.given import RECEIVED_AT, created, delivery, entered, envelope

_AT = "2024-03-01T10:00:00Z"


def _all(database: Database, limit: int, type_: str | None = None) -> tuple[list[int], int]:
    """The positions on all pages, and the number of these."""
    found: list[int] = []
    before, pages = None, 0
    while True:
        page = read_log_page(database, type_=type_, before=before, limit=limit)
        found += [each.position for each in page.events]
        pages += 1
        if page.next is None:
            return found, pages
        assert before is None or page.next < before
        before = page.next


@pytest.mark.parametrize("limit", [1, 3, 7, 8, 100])
def test_the_pages_have_every_event_once(
    wiped_database: Database, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_tail, "SCANNED_MAX", 3)
    assert read_log_page(wiped_database, limit=limit).events == ()
    events = [
        created("cust_1", at=_AT),
        *(entered("cust_1", f"seg_{number}", at=_AT) for number in range(6)),
        delivery("voucher.created", None, at=_AT),
    ]
    append(wiped_database, [envelope(each) for each in events], received_at=RECEIVED_AT)
    assert _all(wiped_database, limit)[0] == [8, 7, 6, 5, 4, 3, 2, 1]
    # Three events are gone through on a page: some are empty, and the last one is found.
    found, pages = _all(wiped_database, limit, "customer.created")
    assert (found, pages) == ([1], 3)
    assert _all(wiped_database, limit, "customer.segment.entered")[0] == [7, 6, 5, 4, 3, 2]
    assert _all(wiped_database, limit, "unknown")[0] == []
    [nobodys] = read_log_page(wiped_database, type_="voucher.created", limit=1).events
    assert (nobodys.customer_id, nobodys.position, nobodys.late) == (None, 8, False)
    assert read_log_page(wiped_database, before=99, limit=1).events[0].position == 8
    with pytest.raises(BadIdentifier):
        read_log_page(wiped_database, type_="a\0b", limit=1)
