"""JSON as text: what can be said of it and done to it without reading it. PURE."""

from __future__ import annotations

import re

from msgspec import DecodeError, Raw
from msgspec.json import format as laid_out

# Every repetition is possessive, so that broken text costs one pass and no memory; and what is
# repeated is atomic, for Python before 3.11.5 does not step back from half a repetition.
_SIGNIFICANT = re.compile(
    rb"""(?>
        [^" \t\r\n]++
        | "[^"\\]*+ (?>\\.[^"\\]*+)*+ "?+
        # Whitespace in JSON touches a bracket, a comma, a colon or an end. Where it does not, it
        # is kept: without it `1 2` would become a number that nobody wrote.
        | (?<=[^{}\[\],: \t\r\n]) [ \t\r\n]++ (?=[^{}\[\],: \t\r\n])
    )++""",
    re.DOTALL | re.VERBOSE,
)

#: DEL, and U+0080 to U+009F in UTF-8.
_CONTROL = re.compile(rb"\x7f|\xc2[\x80-\x9f]")

#: A bracket, or a string, whose brackets do not count.
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
    """The same JSON text without insignificant whitespace; never re-serialised, never an error.

    Numbers, escapes, the order of keys and the whitespace inside strings stay as they are. Text
    that is not JSON loses only the whitespace at its ends and around brackets, commas and colons:
    it is as unreadable as before.
    """
    found = compact_json(body)
    return b"".join(_SIGNIFICANT.findall(body)) if found is None else found


def compact_json(body: bytes) -> bytes | None:
    """The same for JSON alone, fifty times as fast; None for text that the decoder does not take.

    That may be JSON all the same: half of a character as an escape, or very many levels.
    """
    try:
        return laid_out(body, indent=-1)
    except (DecodeError, RecursionError):
        return None


def escape_control_characters(document: bytes) -> bytes:
    """A JSON document in which no character steers a terminal that shows it; it means the same.

    Encoders escape those below the space. Some terminals obey these as well.
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
    """Whether brackets are nested deeper than so many levels."""
    # Nearly every text has fewer of them altogether.
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
    """Whether a JSON value is an object."""
    return _first_byte(value) == ord("{")


def is_array(value: Raw) -> bool:
    """Whether a JSON value is an array."""
    return _first_byte(value) == ord("[")


def _first_byte(value: Raw) -> int:
    return memoryview(value)[0]
