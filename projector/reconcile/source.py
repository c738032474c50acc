"""Reads segments, campaigns and single customers from Voucherify's API, exactly."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
from attrs import frozen

from projector.backfill.reading import check_absent
from projector.envelope import CustomerKey
from projector.errors import VoucherifyUnexpected
from projector.reconcile.frame import Frame
from projector.reconcile.observation import Instants, WindowTooLong
from projector.reconcile.sightings import (
    AbsenceSeen,
    Evidence,
    Problem,
    SegmentsSeen,
    Sighting,
    TierSeen,
)
from projector.text.instants import to_text
from projector.voucherify import objects, paths
from projector.voucherify.client import Answer, Client, RequestFailed
from projector.voucherify.objects import SourceCampaign, SourceSegment, SourceTier
from projector.voucherify.pages import PageUnreadable, customer_path

T = TypeVar("T")

#: The longest body that is kept as evidence, in bytes.
_EVIDENCE_BYTES_MAX = 64 * 1024


class _Unusable(Exception):
    """An answer cannot be used; a code and a sentence."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@frozen
class _Asked:
    """An answer with its window and its evidence."""

    answer: Answer
    instants: Instants
    evidence: Evidence


class Source:
    """The API of one project."""

    def __init__(
        self,
        client: Client,
        project_id: str,
        *,
        margin: timedelta,
        is_erased: Callable[[str], bool],
    ) -> None:
        self._client = client
        self._project_id = project_id
        self._margin = margin
        self._is_erased = is_erased
        self._synced: dict[str, bool] = {}

    def read_frame(self, *, with_tiers: bool) -> Frame:
        """Read which segments, campaigns and tiers there are; raises the errors of `Client.get`."""
        segments = {each.segment_id: each for each in self._segments()}
        if not with_tiers:
            return Frame(segments=segments)
        campaigns, is_complete = self._campaigns()
        tiers = {each: self._tier_ids(each) for each in campaigns}
        return Frame(
            segments=segments, campaigns=campaigns, tiers=tiers, has_all_campaigns=is_complete
        )

    def is_synced(self, segment: SourceSegment) -> bool:
        """Return whether the first computation of a segment is over; the list may not say so."""
        if segment.is_synced is not None:
            return segment.is_synced
        if segment.segment_id not in self._synced:
            answer = self._client.get(paths.segment_path(segment.segment_id), {})
            found = objects.read_segment if answer.is_found else None
            self._synced[segment.segment_id] = found is not None and (
                self._read(found, answer).is_synced is not False
            )
        return self._synced[segment.segment_id]

    def read(self, identifier: str, frame: Frame) -> Sighting:
        """Read a customer by the vendor's id or the shop's own.

        Raises RequestFailed and the other errors of `Client.get`.
        """
        unknown = CustomerKey(self._project_id, identifier)
        if self._is_erased(identifier):
            return _failed(unknown, "erased", "The customer was erased, so nothing is asked.")
        try:
            return self._read_customer(identifier, frame)
        except _Unusable as error:
            return _failed(unknown, error.reason, str(error))

    def _read_customer(self, identifier: str, frame: Frame) -> Sighting:
        asked = self._ask(customer_path(identifier), {})
        if not asked.answer.is_found:
            check_absent(self._client, asked.answer)
            return Sighting(
                key=CustomerKey(self._project_id, identifier),
                absence=AbsenceSeen(instants=asked.instants, evidence=asked.evidence),
            )
        customer = self._read(objects.read_customer, asked.answer)
        key = CustomerKey(self._project_id, customer.customer_id)
        if self._is_erased(customer.customer_id):
            return _failed(key, "erased", "The customer was erased, so nothing else is asked.")
        try:
            segments = self._segments_of(key.customer_id)
        except _Unusable as error:
            return _failed(key, error.reason, str(error))
        tiers, problems = [], []
        for campaign in frame.with_tiers:
            try:
                tiers.append(self._tier_of(key.customer_id, campaign))
            except _Unusable as error:
                problems.append(
                    Problem(
                        customer_id=key.customer_id,
                        campaign_id=campaign.campaign_id,
                        reason=error.reason,
                        detail=str(error),
                    )
                )
        return Sighting(
            key=key,
            segments=segments,
            tiers=tuple(tiers),
            created_at=customer.created_at,
            problems=tuple(problems),
        )

    def _segments_of(self, customer_id: str) -> SegmentsSeen:
        asked = self._ask(paths.customer_segments_path(customer_id), {})
        self._check_found(asked.answer, "the segments of a customer")
        segments = self._read(objects.read_customer_segments, asked.answer)
        return SegmentsSeen(
            instants=asked.instants, segments=segments, scope=None, evidence=asked.evidence
        )

    def _tier_of(self, customer_id: str, campaign: SourceCampaign) -> TierSeen:
        """Read the tier in a campaign: of all cards together; two different ones are unusable."""
        campaign_id = campaign.campaign_id
        asked = self._ask(paths.cards_path(campaign_id), paths.cards_query(customer_id))
        self._check_found(asked.answer, "the cards of a campaign")
        found: dict[str, SourceTier] = {}
        for card in self._read(objects.read_cards, asked.answer):
            last = asked
            asked = self._ask(paths.card_tiers_path(card), {})
            asked = _Asked(asked.answer, _around(last.instants, asked.instants), asked.evidence)
            if not asked.answer.is_found:
                raise _Unusable("unreadable", f"Its card {card} was gone a moment later.")
            for each in self._read(objects.read_tiers, asked.answer):
                if each.campaign_id in (None, campaign_id):
                    found[each.tier_id] = each
        if len(found) > 1:
            raise _Unusable("two_tiers", f"It has several tiers: {', '.join(sorted(found))}.")
        return TierSeen(
            instants=asked.instants,
            campaign_id=campaign_id,
            campaign_name=campaign.name,
            tier=next((each.whole for each in found.values()), None),
            evidence=asked.evidence,
        )

    def _segments(self) -> Iterator[SourceSegment]:
        known: set[str] = set()
        after = None
        while True:
            answer = self._client.get(paths.SEGMENTS, paths.segments_query(after))
            self._check_found(answer, "the list of segments")
            page = self._read(objects.read_segments, answer)
            new = [each for each in page.elements if each.segment_id not in known]
            known.update(each.segment_id for each in new)
            yield from new
            times = [each.created_at for each in page.elements if each.created_at is not None]
            if not (page.is_full and new and times):
                return
            after = max(times)

    def _campaigns(self) -> tuple[dict[str, SourceCampaign], bool]:
        """Read all campaigns; whether these are all that there are."""
        found: dict[str, SourceCampaign] = {}
        for number in range(1, paths.PAGES_MAX + 1):
            answer = self._client.get(paths.CAMPAIGNS, paths.campaigns_query(number))
            self._check_found(answer, "the list of loyalty campaigns")
            page = self._read(objects.read_campaigns, answer)
            found |= {each.campaign_id: each for each in page.elements}
            if not page.is_full:
                return found, page.total is None or page.total <= len(found)
        return found, False

    def _tier_ids(self, campaign_id: str) -> frozenset[str]:
        answer = self._client.get(paths.tiers_path(campaign_id), paths.tiers_query())
        if not answer.is_found:
            return frozenset()
        return frozenset(each.tier_id for each in self._read(objects.read_tiers, answer))

    def _ask(self, path: str, query: Mapping[str, str]) -> _Asked:
        answer = self._client.get(path, query)
        instants = self._window(answer)
        request = path + ("?" + "&".join(f"{name}={text}" for name, text in query.items()))
        evidence = {
            "from": "api",
            "request": f"GET {request.rstrip('?')}",
            "status": answer.status,
            "sent": to_text(answer.sent_at),
            "answered": to_text(answer.answered_at),
            "date": None if answer.date is None else to_text(answer.date),
            "body": _body(answer.body),
        }
        return _Asked(answer, instants, evidence)

    def _window(self, answer: Answer) -> Instants:
        if answer.date is None:
            raise _Unusable("no_date", "The answer has no Date, so its time is unknown.")
        try:
            return Instants.of_answer(
                answer.date, sent=answer.sent_at, answered=answer.answered_at, margin=self._margin
            )
        except WindowTooLong as error:
            raise _Unusable("slow", f"The answer took too long: {error}.") from None

    def _read(self, read: Callable[[bytes], T], answer: Answer) -> T:
        try:
            return read(answer.body)
        except PageUnreadable as error:
            raise RequestFailed(str(error), has_connected=True) from None

    def _check_found(self, answer: Answer, name: str) -> None:
        if not answer.is_found:
            reason = f"it answers with 404 for {name}"
            raise VoucherifyUnexpected(host=self._client.host, reason=reason)


def _around(first: Instants, last: Instants) -> Instants:
    try:
        return first.and_(last)
    except WindowTooLong as error:
        raise _Unusable("slow", f"The answers took too long: {error}.") from None


def _failed(key: CustomerKey, reason: str, detail: str) -> Sighting:
    problem = Problem(customer_id=key.customer_id, reason=reason, detail=detail)
    return Sighting(key=key, problems=(problem,))


def _body(body: bytes) -> Any:
    """Return a body as it is kept: JSON, unless it is too long."""
    if len(body) > _EVIDENCE_BYTES_MAX:
        return None
    try:
        return msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return None
