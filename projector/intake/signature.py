"""The webhook's signature: whether a delivery comes from one who knows the secret. PURE."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection

from projector.text.jsontext import compact, compact_json

#: The longest body that is laid out anew though the decoder does not take it, in bytes: that takes
#: up to 0.2 µs a byte, while nobody else is served, and anybody may send one.
BROKEN_BYTES_MAX = 32 * 1024


def matching_secrets(body: bytes, signature: str | None, secrets: Collection[str]) -> set[str]:
    """The secrets under which a header's signature is the body's; never an error, whatever it says.

    The signature is the HMAC-SHA256 under the secret's UTF-8, in lower-case hex, of the JSON text
    without insignificant whitespace. No signature signs nothing, and nor does an empty secret.
    """
    if signature is None:
        return set()
    # As text, digests of other than ASCII characters could not be compared.
    received = signature.encode(errors="replace")
    # Usually a body comes as it was signed. Something on its way may have laid it out anew: then
    # whitespace is taken out of the text as it is, for to write it anew would change numbers and
    # escapes: once, however many secrets there are.
    return _matching(received, body, secrets) or _matching(received, _laid_out(body), secrets)


def _laid_out(body: bytes) -> bytes:
    return compact(body) if len(body) <= BROKEN_BYTES_MAX else compact_json(body) or body


def _matching(received: bytes, message: bytes, secrets: Collection[str]) -> set[str]:
    # All are tried, so that the time tells nothing of which one it was.
    return {secret for secret in secrets if _is_signature(received, message, secret)}


def _is_signature(received: bytes, message: bytes, secret: str) -> bool:
    if not secret:
        # Anybody could compute a signature under no secret.
        return False
    # A secret of the environment that is not UTF-8 has its bytes behind surrogates.
    key = secret.encode(errors="surrogateescape")
    expected = hmac.new(key, message, hashlib.sha256).hexdigest().encode()
    # In constant time: how long it takes does not tell how much of a guess is right.
    return hmac.compare_digest(received, expected)
