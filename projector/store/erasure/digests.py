"""Digests of what was erased and must not come in again. PURE.

They are keyed, so that whoever has the table without the key cannot look a customer's id up in it.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import lru_cache

#: The length of the key: it lies in table `secret`, and the first erasure makes it.
KEY_BYTES = 32

#: The name of the key in table `secret`.
KEY_NAME = "suppression"


def of_customer(key: bytes, project_id: str, customer_id: str) -> str:
    """Return the digest, in hex, of a customer: no event in the customer's name is let in."""
    return _digest(key, "customer", project_id, customer_id)


def of_event(key: bytes, project_id: str, event_id: str) -> str:
    """Return the digest, in hex, of an event, which may arrive without its customer."""
    return _digest(key, "event", project_id, event_id)


def of_body(key: bytes, quarantine_digest: str) -> str:
    """Return the digest, in hex, of a delivery that was in the quarantine."""
    return _digest(key, "body", quarantine_digest)


def _digest(key: bytes, *texts: str) -> str:
    digest = _begun(key).copy()
    digest.update("\0".join(texts).encode())
    return digest.hexdigest()


# To set up a key takes as long as a digest itself.
@lru_cache(maxsize=4)
def _begun(key: bytes) -> hmac.HMAC:
    return hmac.new(key, digestmod=hashlib.sha256)
