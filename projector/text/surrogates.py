r"""Handles lone surrogates in JSON text: `\ud83c` without its other half. PURE.

JSON allows them, and JavaScript writes them: it cuts text between the two UTF-16 code units of a
character (`"Jo \ud83c"`). UTF-8, databases and strict JSON decoders have no such character.

`mask` makes such text decodable without a loss: `unmask` inverts it, for text and for decoded
values. `replace` makes it decodable with the replacement character U+FFFD.
"""

from __future__ import annotations

import re

# Alternatives in this order: a whole pair, a lone half or a NUL, any other escape. Escapes are
# consumed one by one, so that the second backslash of `\\` begins none.
_PAIR = r"u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
_HALF = r"[dD][89a-fA-F][0-9a-fA-F]{2}"
_ESCAPE = re.compile(rf"\\(?>{_PAIR}|u({_HALF}|0000)|.)", re.DOTALL)
_MASKED_ESCAPE = re.compile(r"\\(?>u0000([0-9a-fA-F]{4})|.)", re.DOTALL)
_MASKED_CHARACTER = re.compile("\0([0-9a-fA-F]{4})")

_REPLACEMENT = r"\ufffd"


def has_lone(text: str) -> bool:
    """Return whether JSON text has an escaped lone surrogate."""
    # Fast path: nearly every text has no surrogate at all.
    if "\\ud" not in text and "\\uD" not in text:
        return False
    return any(found[1] not in (None, "0000") for found in _ESCAPE.finditer(text))


def mask(text: str) -> str:
    r"""Write each lone surrogate `\uXXXX` as `\u0000XXXX`; text without any is returned as it is.

    A NUL is masked in the same way, so that no two texts have the same masked text. A masked
    identifier is invalid, because it has a NUL.
    """
    if not has_lone(text):
        return text
    return _ESCAPE.sub(lambda found: rf"\u0000{found[1]}" if found[1] else found[0], text)


def unmask(text: str) -> str:
    """Invert `mask` for JSON text that has been masked."""
    return _MASKED_ESCAPE.sub(lambda found: rf"\u{found[1]}" if found[1] else found[0], text)


def unmask_value(value: str) -> str:
    """Invert `mask` for a string decoded from masked text; the result has lone surrogates again."""
    return _MASKED_CHARACTER.sub(lambda found: chr(int(found[1], 16)), value)


def replace(text: str) -> str:
    """Replace each lone surrogate by U+FFFD; text without any is returned as it is."""
    if not has_lone(text):
        return text
    return _ESCAPE.sub(lambda found: found[0] if found[1] in (None, "0000") else _REPLACEMENT, text)
