"""Finds the texts that name a person in other texts, such as bodies that no parser can read. PURE.

Such a text, a needle, is found where it stands as whole words: `cust_1` is not in `cust_11`. It is
found in the encodings in which JSON and forms may hide it: escapes, percent signs, UTF-16.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import unquote

import msgspec
from attrs import define, field

from projector.text import surrogates

#: Shorter ids of shops and e-mail addresses are no needles: they would be found everywhere.
CHARACTERS_MIN = 6

#: The least number of bytes, in UTF-8, of the letters and digits of a text that an operator gives.
OWN_BYTES_MIN = 3

#: The number of needles up to which each is searched in the text; more are looked up by its words.
_FEW = 8

#: How often JSON in a string of JSON is unescaped.
_LEVELS = 3

_WORD = re.compile(r"\w+")
_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4})+|\\(.)", re.DOTALL)
_NAMED = re.compile(r'"(source_id|email)"\s*+:\s*+"((?>[^"\\]++|\\.)*+)"')
_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


@define
class Identifiers:
    """The ids of the shop, and the e-mail addresses, of a person."""

    source_ids: set[str] = field(factory=set)
    emails: set[str] = field(factory=set)
    #: Names are searched in the operator's reference only: in bodies they may be another's.
    names: set[str] = field(factory=set)

    def add(self, name: str, value: object) -> None:
        """Add the value that a body has under `source_id`, `email` or `name`."""
        if isinstance(value, int):
            value = str(value)
        if isinstance(value, str) and value:
            known = {"source_id": self.source_ids, "email": self.emails, "name": self.names}
            known[name].add(value)

    def add_from(self, body: str, customer_id: str) -> None:
        """Add those that the body of an event has of a customer."""
        try:
            document = msgspec.json.decode(surrogates.replace(body))
        except (ValueError, RecursionError):
            for name, escaped in _NAMED.findall(body):
                self.add(name, _unescape(escaped))
            return
        for each in _customers(document, customer_id):
            for name in ("source_id", "email", "name"):
                self.add(name, each.get(name))


def _customers(document: Any, customer_id: str) -> Iterator[dict[str, Any]]:
    """Yield the objects that stand for a customer: by their name, or by their id."""
    waiting = [("", document)]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, list):
            waiting += [(name, each) for each in value]
        elif isinstance(value, dict):
            id_ = value.get("id")
            if id_ == customer_id or (name == "customer" and id_ is None):
                yield value
            waiting += value.items()


def is_long_enough(text: str) -> bool:
    """Return whether a text may be searched for: a shorter one would be found everywhere."""
    return len("".join(filter(str.isalnum, text)).encode(errors="replace")) >= OWN_BYTES_MIN


class Needles:
    """Texts that name one or more persons."""

    def __init__(self, exact: Iterable[str], folded: Iterable[str] = ()) -> None:
        """Take texts that are found as they are, and those whose case does not matter."""
        self.exact = frozenset(filter(None, exact))
        self.folded = frozenset(each.casefold() for each in folded if each)
        self._exact = _Search(self.exact)
        self._folded = _Search(self.folded)

    @classmethod
    def of(cls, customer_ids: Iterable[str], found: Identifiers, also: Iterable[str]) -> Needles:
        """Return the needles of customers; `also` are those that an operator gives."""
        long = (each for each in found.source_ids if len(each) >= CHARACTERS_MIN)
        emails = (each for each in found.emails if len(each) >= CHARACTERS_MIN)
        return cls([*customer_ids, *long], [*emails, *also])

    def are_in(self, text: str | bytes) -> bool:
        """Return whether a text, or the bytes of one, has any of the needles."""
        if not self.exact and not self.folded:
            return False
        return any(
            self._exact.finds(each) or (self.folded and self._folded.finds(each.casefold()))
            for each in _readings(text)
        )


class _Search:
    def __init__(self, needles: frozenset[str]) -> None:
        self._needles = needles
        self._by_word: dict[str, list[str]] = {}
        self._without_word: list[str] = []
        for each in needles:
            word = _WORD.search(each)
            if word is None:
                self._without_word.append(each)
            else:
                self._by_word.setdefault(word[0], []).append(each)

    def finds(self, text: str) -> bool:
        return any(_has_word(text, each) for each in self._candidates(text))

    def _candidates(self, text: str) -> Iterable[str]:
        if len(self._needles) <= _FEW:
            return self._needles
        found = self._by_word.keys() & set(_WORD.findall(text))
        return [*self._without_word, *(each for word in found for each in self._by_word[word])]


def _has_word(text: str, needle: str) -> bool:
    """Return whether a needle is in a text, and not amid a word."""
    at = text.find(needle)
    while at >= 0:
        end = at + len(needle)
        before, behind = text[max(at - 1, 0) : at], text[end : end + 1]
        if not (_is_in_word(before, needle[0]) or _is_in_word(needle[-1], behind)):
            return True
        at = text.find(needle, at + 1)
    return False


def _is_in_word(left: str, right: str) -> bool:
    return _is_word(left) and _is_word(right)


def _is_word(character: str) -> bool:
    return character == "_" or character.isalnum()


def _readings(text: str | bytes) -> Iterator[str]:
    """Yield a text in the ways in which a reader may take it."""
    if isinstance(text, bytes):
        if b"\0" in text:
            # UTF-16 or UTF-32, of which ASCII is found.
            yield text.replace(b"\0", b"").decode(errors="replace")
        text = text.decode(errors="replace")
    yield text
    for _ in range(_LEVELS):
        if "\\" not in text:
            break
        text = _unescape(text)
        yield text
    if "%" in text:
        yield unquote(text)


def _unescape(text: str) -> str:
    return _ESCAPES.sub(_unescaped, text)


def _unescaped(found: re.Match[str]) -> str:
    if found[1] is not None:
        return _LETTERS.get(found[1], found[1])
    # Both halves of a character beyond the first 65,536 come together.
    units = bytes.fromhex(found[0].replace("\\u", ""))
    return units.decode("utf-16-be", errors="replace")
