"""Makes the addresses of the pages about a customer. PURE."""

from __future__ import annotations

from urllib.parse import quote, unquote, urlencode

from projector.envelope import CustomerKey
from projector.projections.groups import GroupKind
from projector.queries.why.case import Target


def customer_path(key: CustomerKey, page: str = "", **query: object) -> str:
    """Return the path of a customer's page, or of one below it such as `why`.

    Parameters of None are left out.
    """
    path = "/console/customers/" + "/".join(quote(each, safe="") for each in key)
    given = {name: str(value) for name, value in query.items() if value is not None}
    return f"{path}{f'/{page}' if page else ''}{f'?{urlencode(given)}' if given else ''}"


def to_what(target: Target) -> str:
    """Return a segment or a tier as the parameter `what`."""
    ids = [target.campaign_id, target.group_id]
    return "/".join([target.kind, *(quote(each, safe="") for each in ids if each is not None)])


def from_what(text: str) -> Target | None:
    """Invert `to_what`; None for any other text."""
    kind, *ids = text.split("/")
    ids = [unquote(each) for each in ids]
    if not all(ids):
        return None
    if kind == GroupKind.SEGMENT and len(ids) == 1:
        return Target(kind=GroupKind.SEGMENT, group_id=ids[0])
    if kind == GroupKind.TIER and len(ids) == 2:
        return Target(kind=GroupKind.TIER, campaign_id=ids[0], group_id=ids[1])
    return None
