"""What is typed finds what is written, whatever the case, the accents and the spaces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.text.search_keys import CHARACTERS_MAX, search_key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Mara Lindqvist", "mara lindqvist"),
        ("  Mara\tLindqvist\n", "mara lindqvist"),
        ("MÜLLER", "muller"),
        ("Mu\N{COMBINING DIAERESIS}ller", "muller"),
        ("Große", "grosse"),
        ("ŁĘCKA", "lecka"),
        ("Bjørn Æbelø", "bjorn aebelo"),
        ("ΣΊΣΥΦΟΣ", "σισυφοσ"),
        ("İpek", "ipek"),
        ("\N{LATIN SMALL LIGATURE FI}ona", "fiona"),
        ("Ａｎｎａ", "anna"),
        ("山田 太郎", "山田 太郎"),
        ("", ""),
        (None, None),
    ],
)
def test_a_text_has_the_key_that_is_searched(text: str | None, key: str | None) -> None:
    assert search_key(text) == key


@given(text=st.text())
def test_a_key_is_its_own_key_and_is_short(text: str) -> None:
    key = search_key(text)
    assert key is not None
    assert search_key(key) == key.strip()
    assert len(key) <= CHARACTERS_MAX


@given(text=st.text(st.characters(max_codepoint=127)))
def test_ascii_has_the_same_key_by_either_way(text: str) -> None:
    long_way = search_key(text + " \N{LATIN SMALL LETTER E WITH ACUTE}")
    short_way = search_key(text + " e")
    assert long_way == short_way
