"""Inspects and transforms JSON text without parsing it into values. PURE."""

from __future__ import annotations

import re

from msgspec import DecodeError, Raw
from msgspec.json import format as format_json

# Every repetition is possessive: no backtracking (ReDoS), so that invalid text takes one pass and
# no memory. The repeated groups are atomic as well, because Python before 3.11.5 does not step back
# out of a repetition that matched halfway.
_SIGNIFICANT = re.compile(
    rb"""(?>
        [^" \t\r\n]++
        | "[^"\\]*+ (?>\\.[^"\\]*+)*+ "?+
        # Insignificant whitespace is next to a bracket, a comma, a colon or an end of the text.
        # Other whitespace is kept: without it, the invalid `1 2` would become the number 12.
        | (?<=[^{}\[\],: \t\r\n]) [ \t\r\n]++ (?=[^{}\[\],: \t\r\n])
    )++""",
    re.DOTALL | re.VERBOSE,
)

#: DEL and the C1 control characters, U+0080 to U+009F, in UTF-8.
_CONTROL = re.compile(rb"\x7f|\xc2[\x80-\x9f]")

#: A bracket, or a string: brackets in strings must be skipped.
_BRACKET = re.compile(r'[{}\[\]]|"[^"\\]*+(?>\\.[^"\\]*+)*+"?', re.DOTALL)


def compact(body: bytes) -> bytes:
    """Remove insignificant whitespace from JSON text (minify); never raises an error.

    The text is not parsed and serialised again: numbers, escapes, the order of keys and whitespace
    inside strings stay as they are. Invalid JSON loses only the whitespace at its ends and around
    brackets, commas and colons, and stays invalid.
    """
    minified = compact_json(body)
    return b"".join(_SIGNIFICANT.findall(body)) if minified is None else minified


def compact_json(body: bytes) -> bytes | None:
    """Do the same for valid JSON only, fifty times as fast; None for text that msgspec refuses.

    msgspec refuses some valid JSON too: an escaped lone surrogate, or very deep nesting.
    """
    try:
        return format_json(body, indent=-1)
    except (DecodeError, RecursionError):
        return None


def escape_control_characters(document: bytes) -> bytes:
    """Escape DEL and the C1 control characters in a JSON document, which means the same.

    Terminals may interpret them as escape sequences (terminal injection). JSON encoders escape the
    other control characters, those below U+0020.
    """
    return _CONTROL.sub(lambda found: b"\\u00%02x" % found[0][-1], document)


def is_deeper(text: str, levels: int) -> bool:
    """Return whether brackets are nested deeper than `levels`."""
    # Fast path: nearly every text has fewer brackets in total.
    if text.count("{") + text.count("[") <= levels:
        return False
    depth = 0
    for bracket in _BRACKET.finditer(text):
        if bracket[0] in "{[":
            depth += 1
            if depth > levels:
                return True
        elif bracket[0] in "}]":
            depth -= 1
    return False


def is_object(value: Raw) -> bool:
    """Return whether a JSON value is an object."""
    return _first_byte(value) == ord("{")


def is_array(value: Raw) -> bool:
    """Return whether a JSON value is an array."""
    return _first_byte(value) == ord("[")


def _first_byte(value: Raw) -> int:
    return memoryview(value)[0]
