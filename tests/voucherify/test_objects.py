"""What answers say of segments, customers, campaigns, tiers and cards, and what is refused."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from projector.voucherify import objects, paths
from projector.voucherify.pages import PageUnreadable


def _list(key: str, *elements: Any, **more: Any) -> bytes:
    found = {"object": "list", "data_ref": key, key: [*elements], "total": len(elements)}
    return json.dumps(found | more).encode()


def test_segments_may_lie_under_either_key() -> None:
    """The description requires `data`, and its example has `segments`."""
    segment = {"id": "seg_1", "name": None, "type": "passive", "created_at": "soon"}
    for key in ("segments", "data"):
        [found] = objects.read_segments(_list(key, segment)).elements
        assert (found.segment_id, found.name, found.is_announced) == ("seg_1", None, False)
        assert (found.created_at, found.is_synced) == (None, None)
    waiting = {**segment, "initial_sync_status": "IN_PROGRESS", "type": "auto-update"}
    one = objects.read_segment(json.dumps(waiting).encode())
    assert (one.is_announced, one.is_synced) == (True, False)


@pytest.mark.parametrize(
    ("read", "key"),
    [
        (objects.read_segments, "segments"),
        (objects.read_customer_segments, "data"),
        (objects.read_campaigns, "campaigns"),
        (objects.read_tiers, "data"),
        (objects.read_cards, "vouchers"),
    ],
    ids=lambda each: getattr(each, "__name__", each),
)
def test_what_is_not_said_is_never_taken_for_none(
    read: Callable[[bytes], object], key: str
) -> None:
    read(_list(key))
    for body in (
        b"",
        b"[]",
        b"{",
        b"null",
        b"\xff",
        b'{"object": "list"}',
        json.dumps({"object": "list", key: None}).encode(),
        json.dumps({"object": "list", key: {}}).encode(),
        json.dumps({"object": "error", key: []}).encode(),
        _list(key, {"name": "no id"}),
        _list(key, {"id": 5}),
        _list(key, {"id": ""}),
        _list(key, {"id": "a\0"}),
        _list(key, "text"),
        b"[" * 100_000,
    ):
        with pytest.raises(PageUnreadable):
            read(body)


def test_a_part_of_a_customers_segments_is_refused() -> None:
    """What is missing would count as left."""
    assert objects.read_customer_segments(_list("data", {"id": "seg_1"})) == {"seg_1": None}
    with pytest.raises(PageUnreadable, match="it has 1 of 2"):
        objects.read_customer_segments(_list("data", {"id": "seg_1"}, total=2))


def test_tiers_are_kept_whole() -> None:
    tier = {"id": "ltr_1", "name": "Gold", "campaign_id": "camp_1", "expiration": {"x": [1.5]}}
    [found] = objects.read_tiers(_list("data", tier))
    assert (found.tier_id, found.campaign_id, found.whole) == ("ltr_1", "camp_1", tier)


def test_listed_tiers_are_optional() -> None:
    shown = {"campaigns": {"A": {"loyalty_tier": "ltr_1"}, "B": {"points": 1}, "C": None}}
    assert objects.tiers_by_campaign_name(shown) == {"A": "ltr_1", "B": None}
    nothings: list[object] = [None, {}, [], {"campaigns": None}, {"campaigns": []}]
    for nothing in nothings:
        assert objects.tiers_by_campaign_name(nothing) == {}


def test_ids_cannot_lead_to_another_path() -> None:
    assert paths.cards_path("a/b?c") == "/v1/loyalties/a%2Fb%3Fc/members"
    assert paths.segment_path("..") == "/v1/segments/%2E%2E"
    assert paths.card_tiers_path("ü") == "/v1/loyalties/members/%C3%BC/tiers"
