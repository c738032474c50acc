"""Whatever comes in, something comes out, and nothing is raised."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from projector.envelope import DeliveryDefaults, Envelope, Rejected
from projector.intake import sources
from projector.intake.sources.header import Header
from tests.support.shapes import as_bytes, cloudevent, distribution, minimal, segment_data

_KEYS = st.sampled_from([*Header.__struct_fields__, "entity_id", "has_more", "data_ref"])
_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.sampled_from(["event", "list", "2024-01-01T00:00:00Z", "cust_1", "whs_1", "x" * 201])
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_KEYS | st.text(), inner, max_size=8)
    ),
    max_leaves=20,
)
_CALLERS = st.builds(
    DeliveryDefaults,
    project_id=st.none() | st.just("proj_1"),
    type=st.none() | st.just("customer.segment.entered"),
    occurred_at=st.none() | st.just(datetime(2024, 1, 1, tzinfo=UTC)),
)


def _read(body: bytes, caller: DeliveryDefaults) -> list[Envelope | Rejected]:
    items = sources.read(body, caller)
    for item in items:
        kept = item.body.encode() if isinstance(item, Envelope) else item.body
        assert kept in body
    return items


def _is_page(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("object") == "list"
        and isinstance(value.get("data"), list)
    )


@given(body=st.binary(), caller=_CALLERS)
def test_any_bytes_give_an_item_with_the_body_as_it_came(
    body: bytes, caller: DeliveryDefaults
) -> None:
    items = _read(body, caller)
    assert len(items) == 1


@given(value=_JSON, caller=_CALLERS)
def test_any_json_gives_an_item_and_a_page_one_an_entry(
    value: Any, caller: DeliveryDefaults
) -> None:
    items = _read(as_bytes(value), caller)
    assert len(items) == (len(value["data"]) if _is_page(value) else 1)


@given(key=_KEYS, value=_JSON, caller=_CALLERS)
def test_any_value_for_any_key_of_a_delivery_gives_an_item(
    key: str, value: Any, caller: DeliveryDefaults
) -> None:
    for delivery in (distribution(), cloudevent(), minimal(), segment_data()):
        wrong = {**delivery, key: value}
        assume(not _is_page(wrong))
        assert len(_read(as_bytes(wrong), caller)) == 1
        if isinstance(delivery.get("event"), dict):
            nested = {**delivery, "event": {**delivery["event"], key: value}}
            assert len(_read(as_bytes(nested), caller)) == 1


@given(cut=st.integers(min_value=0), junk=st.binary(max_size=3), caller=_CALLERS)
def test_a_delivery_that_was_damaged_on_the_way_gives_an_item(
    cut: int, junk: bytes, caller: DeliveryDefaults
) -> None:
    body = as_bytes(distribution())
    at = cut % len(body)
    assert len(_read(body[:at] + junk + body[at + 1 :], caller)) == 1
    assert len(_read(body[:at] + junk, caller)) == 1


@given(value=_JSON, caller=_CALLERS)
def test_reading_twice_gives_the_same(value: Any, caller: DeliveryDefaults) -> None:
    body = json.dumps(value).encode()
    assert sources.read(body, caller) == sources.read(body, caller)
