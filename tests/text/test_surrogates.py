"""Half characters in JSON text: found, masked without a loss, and replaced."""

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from projector.text import surrogates

#: JSON text with lone surrogates, and the same with U+FFFD in their places.
LONE = {
    r'"Jo \ud83c"': '"Jo \ufffd"',
    r'"\uDFFF"': '"\ufffd"',
    r'"\ude00\ud83d"': '"\ufffd\ufffd"',
    r'"\ud83d\ud83d\ude00"': '"\ufffd\U0001f600"',
    r'"\ud83d\ude00\ude00"': '"\U0001f600\ufffd"',
    r'"\ud83d\\ude00"': '"\ufffd\\\\ude00"',
    r'"\\\ud83d"': '"\\\\\ufffd"',
    r'"\ud83dude00"': '"\ufffdude00"',
    r'"\ud83d\n\u0000"': '"\ufffd\\n\\u0000"',
    r'{"\udc00": [1, "\ud800"]}': '{"\ufffd": [1, "\ufffd"]}',
    r'"\u0000d83c \ud83c"': '"\\u0000d83c \ufffd"',
}

#: JSON text without any.
WHOLE = [
    "",
    "{}",
    r'"\ud83d\ude00"',
    r'"\uD83D\uDE00"',
    r'"\ud800\udc00\uDBFF\uDFFF"',
    r'"\\ud83d"',
    r'"\\\\ud83d"',
    r'"\u0000"',
    r'"\ud7ff\ue000\ufffd"',
    '"\U0001f600"',
]


@pytest.mark.parametrize(("text", "expected"), LONE.items())
def test_half_a_character_is_replaced(text: str, expected: str) -> None:
    assert surrogates.has_lone(text)
    assert json.loads(surrogates.replace(text)) == json.loads(expected)
    msgspec.json.decode(surrogates.replace(text))


@pytest.mark.parametrize("text", LONE)
def test_masked_text_can_be_decoded_and_unmasked(text: str) -> None:
    masked = surrogates.mask(text)
    msgspec.json.decode(masked)
    assert surrogates.unmask(masked) == text


@pytest.mark.parametrize("text", WHOLE)
def test_text_without_half_a_character_stays_the_very_same(text: str) -> None:
    assert not surrogates.has_lone(text)
    assert surrogates.mask(text) is text
    assert surrogates.replace(text) is text


_PARTS = ["\\\\", r"\ud83d", r"\ude00", r"\uDBFF", r"\u0000", r"\n", r"\"", "d83d", "u", "é", "0"]


@given(st.lists(st.sampled_from(_PARTS), max_size=8).map("".join))
@example(r"\u0000d83d\ud83d")
def test_any_string_comes_back_as_it_was(inner: str) -> None:
    """A decoded value comes back too: with the lone surrogates that Python's decoder gives it."""
    text = f'"{inner}"'
    masked = surrogates.mask(text)
    assert surrogates.unmask(masked) == text or masked is text
    if masked is not text:
        value = msgspec.json.decode(masked, type=str)
        assert surrogates.unmask_value(value) == json.loads(text)
        replaced = msgspec.json.decode(surrogates.replace(text), type=str)
        assert replaced == json.loads(text).encode("utf-16", "surrogatepass").decode(
            "utf-16", "replace"
        )
