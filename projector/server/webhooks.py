"""POST /webhooks/voucherify: a signed delivery goes into the log, and is answered once it is there.

Whatever is signed as it should be is answered with 200, be it a duplicate, a conflict or nothing
that can be read: it is safely kept, and a sender that hears otherwise stops sending in the end.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen

from projector.envelope import DeliveryDefaults, Item, Rejected
from projector.intake import signature, sources
from projector.intake.webhook_secrets import WebhookSecret
from projector.server.errors import SignatureWrong
from projector.store.append import Outcome, Receipt

SIGNATURE_HEADER = "x-voucherify-signature"


@frozen(kw_only=True)
class DeliveryResult:
    """What became of a delivery."""

    outcome: Outcome
    #: Of the event in the log: the delivery's own, or the one that it repeats or contradicts.
    position: int | None
    #: The code of the reason why it was put aside.
    reason: str | None


def verify_and_read(
    body: bytes, signed: str | None, project_id: str | None, secrets: Sequence[WebhookSecret]
) -> list[Item]:
    """The items of a body that is signed with a secret of its project; raises SignatureWrong.

    `project_id` is the one that the address names, for deliveries that do not tell theirs.
    """
    asked = [
        secret
        for secret in secrets
        if project_id is None or secret.project_id in (None, project_id)
    ]
    signers = signature.matching_secrets(body, signed, [each.text for each in asked])
    opened = {each.project_id for each in asked if each.text in signers}
    if not opened:
        raise SignatureWrong
    if project_id is None and None not in opened and len(opened) == 1:
        [project_id] = opened
    items = sources.read(body, DeliveryDefaults(project_id=project_id))
    for item in items:
        # What cannot be read may not tell its project; it is kept for the one that signed it.
        if item.project_id is not None and not opened & {None, item.project_id}:
            raise SignatureWrong
    return items or [_empty_page(body, project_id)]


def delivery_result(receipts: Sequence[Receipt]) -> DeliveryResult:
    """What became of a delivery; of several entries in one body, what became of the last."""
    outcome, position, reason = receipts[-1]
    return DeliveryResult(outcome=outcome, position=position, reason=reason)


def _empty_page(body: bytes, project_id: str | None) -> Rejected:
    """A page without an entry: a file may end with one, but nobody sends it for nothing."""
    return Rejected(
        reason="unknown_shape",
        detail="This is a page of activity without an entry.",
        body=body,
        defaults=DeliveryDefaults(project_id=project_id),
    )
