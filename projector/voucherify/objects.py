"""Reads segments, customers, loyalty campaigns, tiers and cards from answers of the API. PURE.

Only what is needed is decoded, and that strictly: an answer that lacks it is refused, since taking
"not there" for "none" would make a customer leave. Everything else may be missing or null, as the
API's own examples are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
from attrs import frozen
from msgspec import Struct

from projector.envelope import id_problem
from projector.text import instants, surrogates
from projector.voucherify.pages import PAGE_ENTRIES_MAX, PageUnreadable

#: The kind of a segment whose entries and leaves are announced; the API has `passive` and `static`,
#: too, of which no event is ever sent.
ANNOUNCED = "auto-update"

#: The status of a segment whose first computation is over.
_SYNCED = "DONE"

Element = TypeVar("Element")
Decoded = TypeVar("Decoded", bound="_Object")


class _Object(Struct, gc=False):
    id: Any = None
    name: Any = None


class _SegmentObject(_Object, gc=False):
    type: Any = None
    created_at: Any = None
    initial_sync_status: Any = None


class _CustomerObject(_Object, gc=False):
    source_id: Any = None
    created_at: Any = None
    loyalty: Any = None


class _Card(_Object, gc=False):
    code: Any = None


@frozen(kw_only=True)
class SourceSegment:
    """A segment of the source."""

    segment_id: str
    name: str | None
    #: `auto-update`, `passive`, `static`, or what the source may add.
    kind: str | None
    created_at: datetime | None
    #: Whether its first computation is over; None if the answer does not say so.
    is_synced: bool | None

    @property
    def is_announced(self) -> bool:
        """Whether the source sends events of entries and leaves."""
        return self.kind == ANNOUNCED


@frozen(kw_only=True)
class SourceCampaign:
    """A loyalty campaign of the source; two may have one name."""

    campaign_id: str
    name: str | None


@frozen(kw_only=True)
class SourceCustomer:
    """A customer of the source."""

    customer_id: str
    source_id: str | None
    created_at: datetime | None


@frozen(kw_only=True)
class SourceTier:
    """A loyalty tier of the source, and the whole object."""

    tier_id: str
    name: str | None
    campaign_id: str | None
    whole: Mapping[str, Any]


@frozen(kw_only=True)
class SourceList(Generic[Element]):
    """A page of a list, and the number of elements on all pages, if it says so."""

    elements: tuple[Element, ...]
    total: int | None

    @property
    def is_full(self) -> bool:
        """Whether another page may follow."""
        return len(self.elements) >= PAGE_ENTRIES_MAX


def read_segments(body: bytes) -> SourceList[SourceSegment]:
    """Read a page of segments; raises PageUnreadable."""
    found = _read_list(body, _SegmentObject, "segments", "data")
    return SourceList(elements=tuple(map(_segment, found.elements)), total=found.total)


def read_segment(body: bytes) -> SourceSegment:
    """Read one segment; raises PageUnreadable."""
    return _segment(_read_object(body, _SegmentObject, "segment"))


def read_customer(body: bytes) -> SourceCustomer:
    """Read one customer; raises PageUnreadable."""
    found = _read_object(body, _CustomerObject, "customer")
    return SourceCustomer(
        customer_id=found.id,
        source_id=_text(found.source_id),
        created_at=_instant(found.created_at),
    )


def read_customer_segments(body: bytes) -> dict[str, str | None]:
    """Read all segments of a customer, names by id; raises PageUnreadable, also if some lack."""
    found = _read_list(body, _Object, "data", "segments")
    _check_total(found)
    return {each.id: _text(each.name) for each in found.elements}


def read_campaigns(body: bytes) -> SourceList[SourceCampaign]:
    """Read a page of loyalty campaigns; raises PageUnreadable."""
    found = _read_list(body, _Object, "campaigns", "data")
    return SourceList(
        elements=tuple(
            SourceCampaign(campaign_id=each.id, name=_text(each.name)) for each in found.elements
        ),
        total=found.total,
    )


def read_tiers(body: bytes) -> tuple[SourceTier, ...]:
    """Read all tiers of a campaign or of a card; raises PageUnreadable, also if some lack."""
    found = _read_list(body, _Object, "data", "tiers")
    _check_total(found)
    wholes = _elements(_decode(body), "data", "tiers")
    return tuple(
        SourceTier(
            tier_id=each.id,
            name=_text(each.name),
            campaign_id=_text(whole.get("campaign_id")),
            whole=whole,
        )
        for each, whole in zip(found.elements, wholes, strict=True)
    )


def read_cards(body: bytes) -> tuple[str, ...]:
    """Read the ids of all cards of a customer in a campaign; raises PageUnreadable."""
    found = _read_list(body, _Card, "vouchers", "data")
    _check_total(found)
    return tuple(each.id for each in found.elements)


def tiers_by_campaign_name(loyalty: object) -> dict[str, str | None]:
    """Read a listed customer's tiers by the names of campaigns; None where no tier is shown."""
    campaigns = loyalty.get("campaigns") if isinstance(loyalty, dict) else None
    if not isinstance(campaigns, dict):
        return {}
    return {
        name: tier if id_problem(tier := each.get("loyalty_tier")) is None else None
        for name, each in campaigns.items()
        if isinstance(each, dict)
    }


def _read_list(body: bytes, kind: type[Decoded], *names: str) -> SourceList[Decoded]:
    """Read the list under the first of some keys that is there; each element needs an id."""
    whole = _decode(body)
    if whole.get("object") != "list":
        raise PageUnreadable("it is no list")
    total = whole.get("total")
    try:
        found = msgspec.convert(_elements(whole, *names), list[kind])  # type: ignore[valid-type]
    except (ValueError, RecursionError) as error:
        raise PageUnreadable(f"it is no list of {names[0]}: {error}") from None
    for each in found:
        _check_id(each)
    return SourceList(
        elements=tuple(found),
        total=total if isinstance(total, int) and not isinstance(total, bool) else None,
    )


def _read_object(body: bytes, kind: type[Decoded], name: str) -> Decoded:
    try:
        found = msgspec.convert(_decode(body), kind)
    except (ValueError, RecursionError) as error:
        raise PageUnreadable(f"it is no {name}: {error}") from None
    _check_id(found)
    return found


def _elements(whole: Mapping[str, Any], *names: str) -> Sequence[Any]:
    """Return the list that an answer has: the description names one key, its examples another."""
    for name in names:
        if isinstance(found := whole.get(name), list):
            return found
    raise PageUnreadable(f"it has no {names[0]}")


def _decode(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(surrogates.mask(body.decode()), type=dict[str, Any])
    except (ValueError, RecursionError) as error:
        raise PageUnreadable(f"it is no JSON object: {error}") from None


def _check_id(found: _Object) -> None:
    if problem := id_problem(found.id):
        raise PageUnreadable(f"an id {problem}")


def _check_total(found: SourceList[Decoded]) -> None:
    """Refuse a list of which a part is missing: what is not in it would count as left."""
    if found.total is not None and found.total > len(found.elements):
        raise PageUnreadable(f"it has {len(found.elements)} of {found.total}")


def _segment(found: _SegmentObject) -> SourceSegment:
    status = _text(found.initial_sync_status)
    return SourceSegment(
        segment_id=found.id,
        name=_text(found.name),
        kind=_text(found.type),
        created_at=_instant(found.created_at),
        is_synced=None if status is None else status == _SYNCED,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _instant(value: object) -> datetime | None:
    try:
        return instants.parse(value) if isinstance(value, str) else None
    except ValueError:
        return None
