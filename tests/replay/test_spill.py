"""Facts on disk: each stream is in one bucket, and buckets are in the order of customers."""

import errno
import os
from datetime import UTC, datetime
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.envelope import CanonicalKey, CustomerKey
from replay import spill
from replay.spill import NO_STREAM, Assignment, Block, SpillRecord

_AT = datetime(2024, 3, 4, 10, tzinfo=UTC)


def _event(stream_id: int, position: int, **more: str) -> SpillRecord:
    key = CanonicalKey(_AT, more.get("event_id", f"e{position}"))
    return stream_id, key, position, "customer.created", b"{}"


def _in_order(stream_ids: list[int]) -> list[tuple[int, CustomerKey]]:
    """Streams as they come from the database: by customer, whose order is not theirs."""
    return [(each, CustomerKey("p", f"cust_{n:04}")) for n, each in enumerate(stream_ids)]


@given(data=st.data(), streams=st.integers(0, 60), more=st.integers(0, 5))
def test_every_stream_is_in_the_bucket_that_lists_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, streams: int, more: int
) -> None:
    folder = tmp_path_factory.mktemp("assigned")
    buckets = data.draw(st.integers(1, max(streams, 1)))
    # Those beyond were opened after the plan was made.
    in_order = _in_order(data.draw(st.permutations(range(1, streams + more + 1))))
    spill.assign(folder, streams, buckets, in_order)
    bucket_of = Assignment(folder).bucket_of
    listed = [list(spill.customers(folder, bucket)) for bucket in range(buckets)]
    assert [each for some in listed for each in some] == [
        (stream_id, customer) for stream_id, customer in in_order if stream_id <= streams
    ]
    for bucket, some in enumerate(listed):
        assert {bucket_of[stream_id] for stream_id, _ in some} <= {bucket}
    assert bucket_of[NO_STREAM] == 0
    assert len(bucket_of) == streams + 1


@pytest.mark.parametrize(("streams", "buckets"), [(100, 7), (100, 100), (3, 2), (1000, 16)])
def test_buckets_have_as_many_streams_each(tmp_path: Path, streams: int, buckets: int) -> None:
    spill.assign(tmp_path, streams, buckets, _in_order(list(range(streams, 0, -1))))
    sizes = [len(list(spill.customers(tmp_path, bucket))) for bucket in range(buckets)]
    assert max(sizes) - min(sizes) <= 1


def test_a_customer_who_comes_while_an_empty_log_is_assigned_is_left_to_the_projector(
    tmp_path: Path,
) -> None:
    spill.assign(tmp_path, 0, 1, _in_order([1, 2]))
    assert list(spill.customers(tmp_path, 0)) == []
    assert list(Assignment(tmp_path).bucket_of) == [0]


def test_blocks_come_back_as_they_were_and_in_the_order_of_writing(tmp_path: Path) -> None:
    first = [_event(2, 1), _event(1, 2), _event(NO_STREAM, 3, event_id="é\uffff😀")]
    second = [_event(1, 4)]
    spill.write(tmp_path, {0: Block(first), 7: Block([_event(9, 5)])})
    spill.write(tmp_path, {0: Block(second)})
    assert list(spill.read(tmp_path, 0)) == [first, second]
    assert list(spill.read(tmp_path, 7)) == [[_event(9, 5)]]
    assert list(spill.read(tmp_path, 8)) == []


@pytest.mark.parametrize(
    "at",
    [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)],
)
def test_instants_at_the_ends_of_time_come_back(tmp_path: Path, at: datetime) -> None:
    event = (1, CanonicalKey(at, "e"), 1, "customer.created", b"{}")
    spill.write(tmp_path, {0: Block([event])})
    assert list(spill.read(tmp_path, 0)) == [[event]]


def test_spilled_facts_are_read_sorted_by_stream_and_canonical_key(tmp_path: Path) -> None:
    # As bytes, which is the order of their characters and of no UTF-16.
    ids = ["a", "é", "\uffff", "😀"]
    events = [_event(stream_id, 9, event_id=id) for stream_id in (2, 1) for id in reversed(ids)]
    spill.write(tmp_path, {0: Block(events)})
    [block] = spill.read(tmp_path, 0)
    found = [(stream_id, key.event_id) for stream_id, key, *_ in sorted(block)]
    assert found == [(stream_id, id) for stream_id in (1, 2) for id in ids]
    assert all(one[1].encode() < other[1].encode() for one, other in pairwise(found[:4]))


def test_blocks_of_several_writers_do_not_get_into_each_other(tmp_path: Path) -> None:
    processes = [
        get_context("spawn").Process(target=_write_many, args=(tmp_path, writer))
        for writer in range(3)
    ]
    for each in processes:
        each.start()
    for each in processes:
        each.join()
        assert each.exitcode == 0
    blocks = list(spill.read(tmp_path, 0))
    assert len(blocks) == 3 * 50
    assert all(len({stream_id for stream_id, *_ in block}) == 1 for block in blocks)
    assert {(block[0][0], block[0][2]) for block in blocks} == {
        (writer, number) for writer in range(3) for number in range(50)
    }


def _write_many(folder: Path, writer: int) -> None:
    for number in range(50):
        spill.write(folder, {0: Block([_event(writer, number)] * (1 + number * 20))})


def test_a_full_disk_makes_the_spill_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda file, text: real(file, text[:-1]))
    with pytest.raises(OSError, match="No space left") as told:
        spill.write(tmp_path, {0: Block([_event(1, 1)])})
    assert told.value.errno == errno.ENOSPC


def test_a_bucket_that_was_read_makes_room(tmp_path: Path) -> None:
    spill.assign(tmp_path, 2, 2, _in_order([2, 1]))
    spill.write(tmp_path, {0: Block([_event(2, 1)]), 1: Block([_event(1, 2)])})
    spill.remove(tmp_path, 0)
    spill.remove(tmp_path, 0)
    assert list(spill.read(tmp_path, 0)) == []
    assert list(spill.customers(tmp_path, 0)) == []
    assert len(list(spill.read(tmp_path, 1))) == 1
    assert len(list(spill.customers(tmp_path, 1))) == 1
