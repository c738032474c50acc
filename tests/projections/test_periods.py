"""A list of periods that grows at its end and copies nothing."""

from projector.projections.periods import Periods


def _of(*periods: int) -> Periods[int]:
    """These periods, the first one first."""
    found: Periods[int] | None = None
    for each in periods:
        found = Periods(each, found)
    assert found is not None
    return found


def test_the_last_stint_comes_first() -> None:
    assert list(_of(1, 2, 3)) == [3, 2, 1]


def test_equal_stints_are_equal() -> None:
    assert _of(1, 2) == _of(1, 2)
    assert _of(1, 2) not in (_of(2), _of(1), _of(2, 1), _of(0, 2), _of(1, 2, 3), _of(0, 1, 2))
    assert _of(1) != 1


def test_adding_a_period_leaves_the_earlier_ones_unchanged() -> None:
    before = _of(1, 2)
    assert Periods(3, before).earlier is before
    assert list(before) == [2, 1]


def test_a_hundred_thousand_periods_compare_without_recursion() -> None:
    many = range(100_000)
    assert _of(*many) == _of(*many)
    assert _of(*many) != _of(-1, *many[1:])
