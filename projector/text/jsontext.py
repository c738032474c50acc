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

_WS = r"[ \t\r\n]*+"
# JSON's strings hold no raw newline: one that is not closed in its line is broken.
_OPEN_STRING = r'"[^"\\\n]*+(?>\\[^\n][^"\\\n]*+)*+'
_STRING = _OPEN_STRING + '"'
_KEY = rf"{_STRING}{_WS}:{_WS}"
_SCALAR = rf'{_STRING}|[^ \t\r\n"{{}}\[\],:]++'
# What may stand before the end of the text when the next bracket lies behind it.
_CUT = rf"((?>(?:{_SCALAR}|[:,]){_WS}){{0,3}}+(?:{_OPEN_STRING}\\?+)?+\Z)"


def _many(key: str, value: str, closer: str) -> str:
    """All members or elements, with their commas, that come before anything else."""
    return rf"{_WS}(?>{key}(?:{value}){_WS}(?:,{_WS}|(?={closer})))*+"


def _or_container_of(value: str) -> str:
    """The value, or an object or array that holds nothing else."""
    members, elements = _many(_KEY, value, r"\}"), _many("", value, r"\]")
    return rf"{value}|\{{{members}\}}|\[{elements}\]"


def _to_next_bracket(key: str, closer: str) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Two patterns that lead to the end of the next bracket: from behind a container's opening
    bracket, and from behind a container in it. A group that took part says that the text ended.
    """
    # Shallow containers are passed over in one go, for speed alone.
    shallow = _or_container_of(_or_container_of(_SCALAR))
    inside = rf"{_many(key, shallow, closer)}(?:{key}[{{\[]|{closer}|{_CUT})"
    behind = rf"{_WS}(?:,{inside}|{closer}|(\Z))"
    return re.compile(inside.encode()), re.compile(behind.encode())


_NEXT_BRACKET = {ord("{"): _to_next_bracket(_KEY, r"\}"), ord("["): _to_next_bracket("", r"\]")}
#: A string, number or word in an array, with something behind it in its line.
SCALAR_ELEMENT = re.compile(rf"(?:{_SCALAR})(?=[ \t\r]*+[,\]\n])".encode())


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


def find_end(text: bytes, begin: int, end: int, *, depth_max: int) -> tuple[int, list[int]]:
    """Follow the object or array that begins at `begin`, from bracket to bracket.

    Gives where it ends, and no brackets. If it does not end before `end`: a position and the
    positions of the brackets that are open there. That position is less than `end` if the text is
    no JSON, whatever comes; judged by brackets, strings, keys and commas, the last few excepted.
    What is nested deeper than `depth_max` does not end, but for shallow containers inside.
    """
    opened = [begin]
    at, behind = begin + 1, 0
    while opened:
        found = _NEXT_BRACKET[text[opened[-1]]][behind].match(text, at, end)
        if not found:
            return at, opened
        # Too deep is not said before the end: there, a shallow container may be one that is cut.
        if found.lastindex or len(opened) > depth_max:
            return end, opened
        at = found.end()
        behind = text[at - 1] in b"}]"
        if behind:
            opened.pop()
        else:
            opened.append(at - 1)
    return at, opened


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
