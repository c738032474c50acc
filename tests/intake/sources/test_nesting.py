"""How deep a document is nested decides what becomes of it; where the program stands does not.

Python bounds how deep calls may go, and readers of JSON call themselves for every level.
"""

from collections.abc import Callable
from typing import TypeVar

import pytest

from projector.envelope import NO_DEFAULTS, Envelope
from projector.facts.codec import decode
from projector.facts.events import CustomerFact, DecodedFact
from tests.support.shapes import as_bytes, minimal, read_all, rejected

T = TypeVar("T")

_CALLS_DEEPER = 120


def _body(levels: int) -> bytes:
    """A delivery whose metadata are so many arrays within each other."""
    customer = {"id": "cust_1", "metadata": "here"}
    body = as_bytes(minimal(type="customer.updated", data={"customer": customer}))
    return body.replace(b'"here"', b'{"b":1,"a":' + b"[" * levels + b"]" * levels + b"}")


def _from_deeper(calls: int, what: Callable[[], T]) -> T:
    return what() if calls == 0 else _from_deeper(calls - 1, what)


def _read(levels: int) -> tuple[object, DecodedFact | None]:
    """What a delivery is filed as, and the fact that is then read from it."""
    [item] = read_all(_body(levels), NO_DEFAULTS)
    if not isinstance(item, Envelope):
        return item.reason, None
    return item, decode(item)


@pytest.mark.parametrize("levels", [1, 50, *range(100, 1101, 20)])
def test_a_nested_delivery_is_read_alike_from_wherever_it_is_read(levels: int) -> None:
    assert _read(levels) == _from_deeper(_CALLS_DEEPER, lambda: _read(levels))


@pytest.mark.parametrize("levels", [10_000, 500_000])
def test_too_deep_nesting_is_rejected_with_its_body(levels: int) -> None:
    assert rejected(_body(levels)).reason in {"broken_json", "too_large"}


def test_deep_nesting_below_the_limit_is_filed() -> None:
    item, fact = _read(100)
    assert isinstance(item, Envelope)
    assert isinstance(fact, CustomerFact)
