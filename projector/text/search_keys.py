"""Writes names and addresses in the form in which they are searched. PURE.

The databases differ in what they take for the lower case of a letter beyond ASCII, so that the form
is made here: "Müller", "MULLER" and "muller" have one key on both.
"""

from __future__ import annotations

import unicodedata

#: The length of a key in characters: an index has a greatest size of an entry.
CHARACTERS_MAX = 60

#: Letters that Unicode does not take apart, as people write them where they have no such key.
_LETTERS = str.maketrans(
    {
        "ł": "l",
        "ø": "o",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "æ": "ae",
        "œ": "oe",
        "\N{LATIN SMALL LETTER DOTLESS I}": "i",
    }
)


def search_key(text: str | None) -> str | None:
    """Return a text without case, accents and superfluous white space, and cut; None stays None."""
    if text is None:
        return None
    if text.isascii():
        return " ".join(text.lower().split())[:CHARACTERS_MAX]
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    plain = "".join(each for each in decomposed if not unicodedata.combining(each))
    return " ".join(plain.translate(_LETTERS).split())[:CHARACTERS_MAX]
