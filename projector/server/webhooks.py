"""Verifies and reads webhooks (POST /webhooks/voucherify).

Every body that a secret of its project signed is accepted with 200, whether it is appended, counted
as a duplicate, quarantined or suppressed: a sender that keeps receiving errors eventually stops
sending.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from projector.envelope import (
    BODY_BYTES_MAX,
    DeliveryDefaults,
    Envelope,
    Item,
    Rejected,
    Shape,
)
from projector.intake import signature, sources
from projector.intake.formats import text_of
from projector.intake.webhook_secrets import WebhookSecret
from projector.server import bodies
from projector.server.errors import BodyCorrupt, SignatureWrong
from projector.store.append import Outcome, Receipt

SIGNATURE_HEADER = "x-voucherify-signature"


@frozen(kw_only=True)
class DeliveryResult:
    """The outcome of a delivery."""

    outcome: Outcome
    #: The position of the event in the log: the delivery's own, or that of the event which it
    #: duplicates or conflicts with. None if quarantined or suppressed.
    position: int | None
    #: The code of the reason for the quarantine, or None.
    reason: str | None


def verify_and_read(
    body: bytes,
    signature_header: str | None,
    project_id: str | None,
    secrets: Sequence[WebhookSecret],
    *,
    is_packed: bool = False,
) -> list[Item]:
    """Return the items of a body; raise SignatureWrong unless a secret of its project signed it.

    `project_id` is the one in the path, or None; it is the default of deliveries without one. The
    signature of a body that is packed (gzip) may be that of the packed or of the unpacked bytes.
    Raise BodyCorrupt or BodyTooLarge if it cannot be unpacked. A corrupt body whose packed bytes
    are signed is quarantined.
    """
    # A secret without a project is valid for all of them.
    candidates = [
        secret
        for secret in secrets
        if project_id is None or secret.project_id in (None, project_id)
    ]
    signing_projects = _signing_projects(body, signature_header, candidates)
    if is_packed:
        try:
            body = bodies.unpack(body, bytes_max=BODY_BYTES_MAX)
        except BodyCorrupt:
            if not signing_projects:
                raise
        signing_projects = signing_projects or _signing_projects(body, signature_header, candidates)
    if not signing_projects:
        raise SignatureWrong
    if project_id is None and None not in signing_projects and len(signing_projects) == 1:
        [project_id] = signing_projects
    body = text_of(body)
    items = sources.read(body, DeliveryDefaults(project_id=project_id))
    for item in items:
        # An unreadable item may name no project: it is quarantined for the one that signed it.
        if item.project_id is not None and not signing_projects & {None, item.project_id}:
            raise SignatureWrong
    return items or [_empty_page(body, project_id)]


def _signing_projects(
    body: bytes, signature_header: str | None, candidates: Sequence[WebhookSecret]
) -> set[str | None]:
    """Return the projects whose secret signed a body; None for a secret without a project."""
    signers = signature.matching_secrets(body, signature_header, [each.text for each in candidates])
    return {each.project_id for each in candidates if each.text in signers}


#: Outcomes of an event and of the offer that came with it: the greater one is the delivery's.
_WEIGHTS = {
    Outcome.SUPPRESSED: 0,
    Outcome.DUPLICATE: 0,
    Outcome.APPENDED: 1,
    Outcome.QUARANTINED: 2,
    Outcome.CONFLICT: 2,
}


def delivery_result(items: Sequence[Item], receipts: Sequence[Receipt]) -> DeliveryResult:
    """Return the outcome of a delivery; of a body with several entries, that of the last.

    A webhook that carries an offer is appended if its event or its offer is new, a duplicate if
    neither is, and put aside if one of them is.
    """
    receipt = receipts[-1]
    last = items[-1]
    if isinstance(last, Envelope) and last.source == Shape.SENDING and len(items) > 1:
        # The event comes first, and wins a tie.
        receipt = max(receipts[-2:], key=lambda each: _WEIGHTS[each.outcome])
    outcome, position, reason = receipt
    return DeliveryResult(outcome=outcome, position=position, reason=reason)


def _empty_page(body: bytes, project_id: str | None) -> Rejected:
    """Return the quarantine item for a page without entries.

    In a file, an empty last page is normal and ignored; as a webhook, it is unexpected, so keep it.
    """
    return Rejected(
        reason="unknown_shape",
        detail="This activity page has no entries.",
        body=body,
        defaults=DeliveryDefaults(project_id=project_id),
    )
