"""Verifies the HMAC signature of webhooks. PURE."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterator

from projector.intake.formats import text_of
from projector.intake.layout import MARK
from projector.text.jsontext import compact, compact_json

#: The longest body that is not valid JSON, in bytes, whose whitespace is removed to verify the
#: signature. That takes up to 0.2 µs a byte and blocks other requests, and the sender is not
#: authenticated yet: a limit against denial of service.
BROKEN_BYTES_MAX = 32 * 1024


def matching_secrets(body: bytes, signature: str | None, secrets: Collection[str]) -> set[str]:
    """Return the secrets with which a body was signed, given the signature from its header.

    The signature is the HMAC-SHA256, in lower-case hex, of the JSON text without insignificant
    whitespace; the key is the secret in UTF-8. A missing signature matches no secret, an empty
    secret matches no signature, and a malformed signature is not an error.
    """
    if signature is None:
        return set()
    # As bytes, because hmac.compare_digest refuses text with non-ASCII characters.
    received = signature.encode(errors="replace")
    # A body usually arrives as it was signed, but an intermediary may have put a byte order mark
    # before it, transcoded or reformatted it. Then whitespace is removed from the text, once for
    # all secrets. The JSON is not parsed and serialised again, because that would change numbers
    # and escapes.
    for message in _messages(body):
        if signers := _matching(received, message, secrets):
            return signers
    return set()


def _messages(body: bytes) -> Iterator[bytes]:
    """Yield the texts of which one may have been signed."""
    yield body
    text = text_of(body)
    minified = _minified(text)
    if text != body:
        yield text
        yield MARK + minified
    yield minified


def _minified(body: bytes) -> bytes:
    return compact(body) if len(body) <= BROKEN_BYTES_MAX else compact_json(body) or body


def _matching(received: bytes, message: bytes, secrets: Collection[str]) -> set[str]:
    # All secrets are tried, so that the time does not reveal which one matched (timing attack).
    return {secret for secret in secrets if _is_signature(received, message, secret)}


def _is_signature(received: bytes, message: bytes, secret: str) -> bool:
    if not secret:
        # Any client could compute the signature for an empty secret.
        return False
    # Python decodes environment variables that are not UTF-8 with surrogate escapes.
    key = secret.encode(errors="surrogateescape")
    expected = hmac.new(key, message, hashlib.sha256).hexdigest().encode()
    # Constant-time comparison: the time does not reveal how much of a guess is right.
    return hmac.compare_digest(received, expected)
