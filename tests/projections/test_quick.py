"""What is made fast is as frozen, and as equal, as what is made slowly."""

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve, field, fields, frozen, make_class
from attrs.exceptions import FrozenInstanceError

from projector.projections.quick import quick


@quick
@frozen
class Point:
    """A quick one."""

    x: int
    y: int | None = None
    name: str = "a 'name'"


@frozen
class Slow:
    """One that attrs makes."""

    x: int
    y: int | None = None
    name: str = "a 'name'"


@pytest.mark.parametrize(
    "make",
    [
        lambda cls: cls(1),
        lambda cls: cls(1, 2, "b"),
        lambda cls: cls(y=2, x=1),
        lambda cls: evolve(cls(1, 2), y=3),
        lambda cls: pickle.loads(pickle.dumps(cls(1, 2))),  # noqa: S301 - our own
    ],
    ids=["with defaults", "by place", "by name", "as another one", "pickled"],
)
def test_it_has_the_values_that_it_would_have(
    make: Callable[[type[Point] | type[Slow]], Point | Slow],
) -> None:
    quickly, slowly = make(Point), make(Slow)
    assert type(quickly) is Point
    assert repr(quickly) == repr(slowly).replace("Slow", "Point")
    assert quickly == make(Point)
    assert hash(quickly) == hash(make(Point))
    assert quickly != slowly


def test_it_is_frozen() -> None:
    point = Point(1)
    with pytest.raises(FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del point.x
    with pytest.raises(AttributeError):
        point.other = 2  # type: ignore[attr-defined]
    assert (point.x, [each.name for each in fields(Point)]) == (1, ["x", "y", "name"])


@pytest.mark.parametrize("values", [(), (1, 2, "b", 4)], ids=["too few", "too many"])
def test_it_takes_as_many_values_as_it_has_fields(values: tuple[int, ...]) -> None:
    with pytest.raises(TypeError, match="__init__"):
        Point(*values)  # type: ignore[arg-type]


@pytest.mark.parametrize("more", [{"converter": int}, {"factory": int}, {"kw_only": True}], ids=str)
def test_a_field_that_is_more_than_a_value_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"Other\.x is not a plain field"):
        quick(make_class("Other", {"x": field(**more)}, frozen=True))
