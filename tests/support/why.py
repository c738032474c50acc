"""Asking why, in short."""

from typing import Any

from projector.queries.why.explain import WhyCampaign, WhyNot, WhyQuery, WhySegment, why
from projector.store.database import Database
from tests.support.given import Delivery


def why_segment(database: Database, segment_id: str = "seg_1", **more: Any) -> WhySegment:
    question: dict[str, Any] = {"identifier": "cust_1", "segment_id": segment_id, **more}
    found = why(database, WhyQuery(**question))
    assert isinstance(found, WhySegment)
    return found


def why_campaign(database: Database, campaign_id: str = "camp_1", **more: Any) -> WhyCampaign:
    question: dict[str, Any] = {"identifier": "cust_1", "campaign_id": campaign_id, **more}
    found = why(database, WhyQuery(**question))
    assert isinstance(found, WhyCampaign)
    return found


def why_not(database: Database, what: str, **more: Any) -> WhyNot:
    question: dict[str, Any] = {"identifier": "cust_1", "not_": what, **more}
    found = why(database, WhyQuery(**question))
    assert isinstance(found, WhyNot)
    return found


def evolved(webhook: Delivery, event_id: str) -> Delivery:
    """The same, under another id."""
    return {**webhook, "event": {**webhook["event"], "id": event_id}}
