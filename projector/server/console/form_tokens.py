"""Tokens of forms against cross-site request forgery (CSRF). PURE but for the random mask.

A form carries an HMAC of its path under the secret of the browser's cookie: a page of another site
can neither read the cookie nor make the HMAC. The token is masked anew each time (BREACH).
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

_BYTES = hashlib.sha256().digest_size


def make(secret: str, path: str) -> str:
    """Return a token for a form that is sent to a path by the browser with this secret."""
    mask = secrets.token_bytes(_BYTES)
    return (mask + _xor(mask, _sign(secret, path))).hex()


def is_valid(token: str, secret: str, path: str) -> bool:
    """Return whether `make` made the token for this secret and path."""
    try:
        masked = bytes.fromhex(token)
    except ValueError:
        return False
    if len(masked) != 2 * _BYTES:
        return False
    return hmac.compare_digest(_xor(masked[:_BYTES], masked[_BYTES:]), _sign(secret, path))


def _sign(secret: str, path: str) -> bytes:
    return hmac.digest(secret.encode(), path.encode("utf-8", "surrogateescape"), "sha256")


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))
