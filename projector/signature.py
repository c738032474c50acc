"""The webhook's signature: whether a delivery comes from one who knows the secret. PURE."""

from __future__ import annotations

import hashlib
import hmac

from projector.jsontext import compact


def signed(body: bytes, signature: str | None, secret: str) -> bool:
    """Whether a header's signature is the body's; never an error, whatever the header says.

    The signature is the HMAC-SHA256 under the secret's UTF-8, in lower-case hex, of the JSON text
    without insignificant whitespace. No signature signs nothing, and nor does an empty secret.
    """
    if signature is None or not secret:
        # Anybody could compute a signature under no secret.
        return False
    # As text, digests of other than ASCII characters could not be compared.
    given = signature.encode(errors="replace")
    # A secret of the environment that is not UTF-8 has its bytes behind surrogates.
    key = secret.encode(errors="surrogateescape")
    # Usually a body comes as it was signed. Something on its way may have laid it out anew: then
    # whitespace is taken out of the text as it is, for to write it anew would change numbers and
    # escapes.
    return _is_signature(given, body, key) or _is_signature(given, compact(body), key)


def _is_signature(given: bytes, message: bytes, key: bytes) -> bool:
    expected = hmac.new(key, message, hashlib.sha256).hexdigest().encode()
    # In constant time: how long it takes does not tell how much of a guess is right.
    return hmac.compare_digest(given, expected)
