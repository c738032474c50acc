"""A plan covers every position once, in pieces of a bounded size."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay import plan
from replay.plan import RebuildPlan
from tests.support.logs import cut_small


def _plan(until: int, streams: int = 1) -> RebuildPlan:
    return RebuildPlan(pairs=(), until=until, streams=streams)


@given(until=st.integers(0, 300), size=st.integers(1, 40))
def test_ranges_cover_every_position_once_and_in_order(until: int, size: int) -> None:
    with cut_small(size):
        ranges = list(_plan(until).ranges())
    covered = [position for each in ranges for position in range(each.after + 1, each.last + 1)]
    assert covered == list(range(1, until + 1))
    assert all(0 < each.last - each.after <= size for each in ranges)


@pytest.mark.parametrize(
    ("until", "streams", "buckets"),
    [
        pytest.param(0, 0, 1, id="an empty log"),
        pytest.param(1, 1, 1, id="an event"),
        pytest.param(1, 0, 1, id="an event of nobody"),
        pytest.param(20, 99, 2, id="full buckets"),
        pytest.param(21, 99, 3, id="one event more"),
        pytest.param(99, 4, 4, id="no more buckets than streams"),
        pytest.param(10**9, 10**9, plan.BUCKETS_MAX, id="a long log"),
    ],
)
def test_there_are_enough_buckets_and_not_too_many(until: int, streams: int, buckets: int) -> None:
    with cut_small(10):
        assert _plan(until, streams).buckets == buckets


def test_a_bucket_can_be_named_in_two_bytes() -> None:
    assert plan.BUCKETS_MAX <= 1 << 16
