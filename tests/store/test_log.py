"""Reading the log: by position, by stream, by identity, never more than was asked for."""

import json

import pytest
from msgspec.structs import replace
from psycopg import capabilities

from projector.envelope import RecordedEvent
from projector.store import log
from projector.store.append import Outcome
from projector.store.database import Database
from tests.support.items import as_logged, envelope, put, read_log


@pytest.fixture
def filled(database: Database) -> Database:
    """Ten events, e1 to e10, of two customers and of nobody."""
    customers = ["cust_1", "cust_2", None]
    put(
        database,
        *(
            envelope(f"e{number}", customer_id=customers[number % 3], minute=20 - number)
            for number in range(1, 11)
        ),
    )
    return database


def _read(
    database: Database, *, after: int = 0, until: int = 99, limit: int = 99, bytes_max: int = 2**30
) -> list[int]:
    with database.reading() as connection:
        events = log.read(connection, after=after, until=until, limit=limit, bytes_max=bytes_max)
    return [each.position for each in events]


def test_an_empty_log_has_its_head_at_zero_and_nothing_to_read(database: Database) -> None:
    with database.reading() as connection:
        assert log.head(connection) == 0
        assert log.last_stream_id(connection) == 0
    assert _read(database) == []


def test_the_head_is_the_last_position(filled: Database) -> None:
    with filled.reading() as connection:
        assert log.head(connection) == 10


@pytest.mark.parametrize(
    ("after", "until", "limit", "positions"),
    [
        pytest.param(0, 10, 99, range(1, 11), id="all"),
        pytest.param(0, 99, 99, range(1, 11), id="beyond the head"),
        pytest.param(3, 10, 99, range(4, 11), id="after is left out"),
        pytest.param(3, 7, 99, range(4, 8), id="until is taken in"),
        pytest.param(3, 7, 2, range(4, 6), id="the first ones within the limit"),
        pytest.param(3, 7, 4, range(4, 8), id="the limit exactly"),
        pytest.param(9, 10, 1, range(10, 11), id="the last"),
        pytest.param(10, 10, 99, range(0), id="at the head"),
        pytest.param(10, 99, 99, range(0), id="behind the head"),
        pytest.param(7, 3, 99, range(0), id="the wrong way round"),
        pytest.param(0, 10, 0, range(0), id="none wanted"),
        pytest.param(-5, 2**62, 99, range(1, 11), id="far beyond both ends"),
    ],
)
def test_a_read_gives_the_positions_after_and_until_in_order(
    filled: Database, after: int, until: int, limit: int, positions: range
) -> None:
    assert _read(filled, after=after, until=until, limit=limit) == list(positions)


def test_reading_on_from_the_last_position_sees_each_event_once(filled: Database) -> None:
    seen: list[int] = []
    while more := _read(filled, after=seen[-1] if seen else 0, limit=3):
        seen += more
    assert seen == list(range(1, 11))


def test_a_read_ends_with_the_body_that_fills_it(database: Database) -> None:
    large = [replace(envelope(f"e{number}"), body="x" * 1000) for number in range(10)]
    put(database, *large)
    assert _read(database, bytes_max=3000) == [1, 2, 3]
    assert _read(database, bytes_max=3001) == [1, 2, 3, 4]
    assert _read(database, after=4, bytes_max=1000) == [5]


def test_a_read_gives_one_event_however_large_it_is(filled: Database) -> None:
    assert _read(filled, bytes_max=1) == [1]
    assert _read(filled, after=9, bytes_max=0) == [10]


def _canonical(events: list[RecordedEvent]) -> list[RecordedEvent]:
    return sorted(events, key=lambda each: (each.stream_id, each.key))


def test_streams_are_read_one_after_the_other_each_in_canonical_order(filled: Database) -> None:
    with filled.reading() as connection:
        found = list(log.read_streams(connection, [2, 1], until=10))
    assert found == _canonical([each for each in read_log(filled) if each.stream_id])
    assert [each.stream_id for each in found] == [1] * 4 + [2] * 3


def test_streams_are_read_up_to_a_position_and_no_further(filled: Database) -> None:
    with filled.reading() as connection:
        found = list(log.read_streams(connection, [1, 2], until=5))
    assert found == _canonical([each for each in read_log(filled)[:5] if each.stream_id])


def test_only_the_streams_that_were_asked_for_are_read(filled: Database) -> None:
    with filled.reading() as connection:
        assert {each.stream_id for each in log.read_streams(connection, [2], until=10)} == {2}
        assert list(log.read_streams(connection, [77], until=10)) == []
        assert list(log.read_streams(connection, [], until=10)) == []


def test_at_one_instant_a_stream_is_read_in_the_order_of_the_ids_bytes(database: Database) -> None:
    in_order = ["B", "a", "b", "é", "\uffff", "\U0001f600"]
    put(database, *(envelope(event_id) for event_id in reversed(in_order)))
    with database.reading() as connection:
        found = list(log.read_streams(connection, [1], until=99))
    assert [each.event_id for each in found] == in_order


def test_events_without_a_customer_are_read_by_type(database: Database) -> None:
    put(
        database,
        envelope("a", customer_id=None),
        envelope("b", customer_id=None, type="voucher.created"),
        envelope("c"),
        envelope("d", customer_id=None),
    )
    with database.reading() as connection:
        found = log.read_without_customer(connection, {"customer.updated"}, until=3)
        assert [each.event_id for each in found] == ["a"]


def test_events_are_found_by_project_and_id(filled: Database) -> None:
    put(filled, envelope("e1", project_id="proj_2"))
    by_id = {each.event_id: each for each in read_log(filled) if each.project_id == "proj_1"}
    with filled.reading() as connection:
        found = log.find_by_ids(
            connection, {"proj_1": ["e1", "e2", "E2", "unknown"], "proj_2": ["e2"], "proj_3": []}
        )
    assert found == {("proj_1", "e1"): by_id["e1"], ("proj_1", "e2"): by_id["e2"]}


def test_thousands_of_ids_can_be_looked_up_at_once(filled: Database) -> None:
    ids = [f"e{number}" for number in range(40_000)]
    with filled.reading() as connection:
        assert len(log.find_by_ids(connection, {"proj_1": ids})) == 10


_BODIES = {
    "whitespace": '\t{ "data" :\r\n null }  ',
    "order and repeats of keys": '{"b":1,"a":2,"b":3}',
    "numbers": '{"n":[1.50,1e400,-0,' + "7" * 400 + "]}",
    "escapes": '{"t":"\\u0000\\u00e9\\/\\ud83d\\ude00"}',
    "characters": '{"t":"é\u2028\ufeff\U0001f600\x7f\\\\N\\t"}',
    "a megabyte": json.dumps({"t": "x" * (1024 * 1024 - 9)}),
}


@pytest.mark.parametrize("body", _BODIES.values(), ids=_BODIES)
def test_a_body_is_kept_as_the_text_that_came(database: Database, body: str) -> None:
    put(database, replace(envelope("a", type="voucher.created"), body=body))
    assert read_log(database)[0].body == body


def test_the_longest_identifiers_can_be_stored(database: Database) -> None:
    longest = "\U0001f600" * 200
    item = envelope(longest, customer_id=longest, project_id=longest, type=longest)
    put(database, item)
    assert put(database, item)[0].outcome == Outcome.DUPLICATE
    assert read_log(database) == [as_logged(item, 1, 1, late=False)]


@pytest.mark.parametrize("is_old", [False, True], ids=["chunks of rows", "an older libpq"])
def test_a_scan_that_is_broken_off_leaves_the_database_usable(
    database: Database, is_old: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the answer is not waited for, and no later reader gets it."""
    put(database, *(envelope(f"e{number}", customer_id="cust_1") for number in range(1_000)))
    if is_old:
        monkeypatch.setattr(capabilities, "has_stream_chunked", lambda: False)

    with database.reading() as connection:
        scan = log.scan(connection, after=0, until=1_000)
        assert [next(scan)[0] for _ in range(3)] == [1, 2, 3]
        scan.close()

    with database.reading() as connection:
        positions = [row[0] for row in log.scan(connection, after=0, until=1_000)]
    assert positions == list(range(1, 1_001))
    assert _read(database, after=999, until=1_000) == [1_000]
