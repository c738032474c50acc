"""Makes the addresses of pages, of which every part is quoted. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote, urlencode

from projector.envelope import CustomerKey
from projector.projections.groups import GroupKind
from projector.queries.why.case import Target


def customer_path(key: CustomerKey, page: str = "", **query: object) -> str:
    """Return the path of a customer's page, or of one below it such as `why`.

    Parameters of None are left out.
    """
    path = "/console/customers/" + "/".join(quote(each, safe="") for each in key)
    return _with(f"{path}/{page}" if page else path, query)


def segment_path(project_id: str, segment_id: str, **query: object) -> str:
    """Return the path of a segment's page."""
    path = f"/console/segments/{quote(segment_id, safe='')}"
    return _with(path, {"project": project_id, **query})


def campaign_path(project_id: str, campaign_id: str, **query: object) -> str:
    """Return the path of the page of a campaign's tiers."""
    path = f"/console/tiers/{quote(campaign_id, safe='')}"
    return _with(path, {"project": project_id, **query})


def to_what(target: Target) -> str:
    """Return a segment or a tier as the parameter `what`."""
    ids = [target.campaign_id, target.group_id]
    return ":".join([target.kind, *(quote(each, safe="") for each in ids if each is not None)])


def from_what(text: str) -> Target | None:
    """Invert `to_what`; None for any other text."""
    kind, *ids = text.split(":")
    ids = [unquote(each) for each in ids]
    if not all(ids):
        return None
    if kind == GroupKind.SEGMENT and len(ids) == 1:
        return Target(kind=GroupKind.SEGMENT, group_id=ids[0])
    if kind == GroupKind.TIER and len(ids) == 2:
        return Target(kind=GroupKind.TIER, campaign_id=ids[0], group_id=ids[1])
    return None


def _with(path: str, query: Mapping[str, object]) -> str:
    """Add parameters to a path; those that are None or empty are left out."""
    given = {name: str(value) for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path
