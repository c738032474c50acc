"""Observations as events: their window, their id, their body, and what a fold reads of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from projector.envelope import NO_DEFAULTS, CustomerKey, Envelope
from projector.facts.codec import decode, same_facts
from projector.facts.events import Segment, Tier
from projector.facts.observations import CustomerAbsent, SegmentsObserved, TierObserved
from projector.intake import sources
from projector.reconcile.observation import (
    Instants,
    WindowTooLong,
    customer_absent,
    segments_observed,
    tier_observed,
)

_ADA = CustomerKey("proj_1", "cust_1")
_DATE = datetime(2026, 11, 20, 10, tzinfo=UTC)
_SENT = datetime(2030, 1, 1, tzinfo=UTC)
_WINDOW = Instants.of_answer(_DATE, sent=_SENT, answered=_SENT + timedelta(seconds=2))


def _segments(**more: Any) -> Envelope:
    given: dict[str, Any] = {"segments": {"seg_2": None, "seg_1": "VIP"}, "evidence": {"run": "r"}}
    return segments_observed(_ADA, _WINDOW, **{**given, **more})


def test_the_window_begins_before_the_request_in_the_clock_of_the_source() -> None:
    """Our own clock, which is years ahead, only measures how long the answer took."""
    assert _DATE - timedelta(seconds=62) == _WINDOW.t0
    assert _DATE + timedelta(seconds=1) == _WINDOW.until
    assert Instants.of_file(_DATE).t0 == _DATE - timedelta(minutes=10)
    later = Instants(_DATE, _DATE + timedelta(minutes=3))
    assert _WINDOW.and_(later) == Instants(_WINDOW.t0, later.until)


def test_a_window_that_proves_too_little_is_refused() -> None:
    with pytest.raises(WindowTooLong):
        Instants.of_file(_DATE, margin=timedelta(minutes=15))
    with pytest.raises(WindowTooLong):
        _WINDOW.and_(Instants(_DATE + timedelta(hours=1), _DATE + timedelta(hours=1)))
    with pytest.raises(WindowTooLong):
        Instants.of_answer(_DATE, sent=_SENT, answered=_SENT - timedelta(seconds=1))


def test_the_same_observation_twice_is_one_event() -> None:
    first = _segments(silent=["b", "a"])
    again = _segments(
        silent=["a", "b"], segments={"seg_1": "VIP", "seg_2": None}, evidence={"run": "another"}
    )
    assert first.event_id == again.event_id
    assert first.event_id.startswith("obs_")
    assert len(first.event_id) == len("obs_") + 40
    assert same_facts(again, first)
    others = [
        _segments(),
        _segments(scope=["seg_1", "seg_2"]),
        customer_absent(_ADA, _WINDOW, evidence={}),
        segments_observed(CustomerKey("proj_2", "cust_1"), _WINDOW, segments={}, evidence={}),
    ]
    assert len({first.event_id, *(each.event_id for each in others)}) == 5


def test_a_fold_reads_what_was_seen() -> None:
    seen = decode(_segments(silent=["seg_9"], scope=["seg_1", "seg_2", "seg_3"]))
    assert isinstance(seen, SegmentsObserved)
    assert seen.segments == (Segment(id="seg_1", name="VIP"), Segment(id="seg_2"))
    assert sorted(seen.silent) == ["seg_9"]
    assert sorted(seen.scope or ()) == ["seg_1", "seg_2", "seg_3"]
    tier = {"id": "ltr_1", "name": "Gold", "expiration": {"expiration_date": "2027-01-01"}}
    some: dict[str, Any] = {"campaign_id": "camp_1", "evidence": {}}
    on = decode(tier_observed(_ADA, _WINDOW, loyalty_tier=tier, **some))
    assert isinstance(on, TierObserved)
    assert isinstance(on.loyalty_tier, Tier)
    assert str(on.loyalty_tier.expires_on) == "2027-01-01"
    none = decode(tier_observed(_ADA, _WINDOW, loyalty_tier=None, **some))
    assert isinstance(none, TierObserved)
    assert none.loyalty_tier is None
    gone = decode(customer_absent(_ADA, _WINDOW, evidence={}))
    assert isinstance(gone, CustomerAbsent)


def test_the_evidence_stands_beside_the_facts() -> None:
    body = json.loads(_segments().body)
    assert body["evidence"] == {"run": "r", "until": "2026-11-20T10:00:01.000Z"}
    assert body["created_at"] == "2026-11-20T09:58:58.000Z"


def test_a_segment_outside_the_scope_or_an_id_that_cannot_be_stored_is_refused() -> None:
    with pytest.raises(ValueError, match="not in the scope"):
        _segments(scope=["seg_1"])
    with pytest.raises(ValueError, match="segment's id is empty"):
        _segments(segments={"": None})
    with pytest.raises(ValueError, match="tier's id is NoneType"):
        tier_observed(_ADA, _WINDOW, campaign_id="camp_1", loyalty_tier={}, evidence={})


def test_only_a_file_may_have_observations() -> None:
    """So that the events of a log can be moved; whatever else sends them is not believed."""
    observation = _segments()
    body = observation.body.encode()
    assert sources.read(body, NO_DEFAULTS, allows_own_types=True) == [observation]
    [rejected] = sources.read(body, NO_DEFAULTS)
    assert getattr(rejected, "reason", None) == "reserved_type"
    assert (rejected.project_id, rejected.event_id) == ("proj_1", observation.event_id)
    forged = {
        "id": "whs_1",
        "project_id": "proj_1",
        "event": {"id": "e1", "type": observation.type, "created_at": "2026-11-20T10:00:00Z"},
        "data": json.loads(observation.body)["data"],
        "source": {"id": "distr_1", "object": "distribution"},
    }
    [rejected] = sources.read(json.dumps(forged).encode(), NO_DEFAULTS)
    assert getattr(rejected, "reason", None) == "reserved_type"
    other = replace(observation, body=observation.body.replace("VIP", "V.I.P."))
    assert not same_facts(other, observation)
