"""JSON text is made compact, and its levels are counted, without reading it."""

import json
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.text.jsontext import (
    compact,
    compact_json,
    escape_control_characters,
    is_deeper,
)

TEXTS = {
    "nothing": (b"", b""),
    "whitespace": (b" \r\n\t ", b""),
    "compact": (b'{"a":[1,"b c"]}', b'{"a":[1,"b c"]}'),
    "pretty": (b'{\r\n\t"a" : [\n    1,\n    { }\n  ]\n}\n', b'{"a":[1,{}]}'),
    "space in strings": (b'{ " a, b " : "\\" : " }', b'{" a, b ":"\\" : "}'),
    "backslashes": (b'[ "\\\\" , "\\\\\\" , " ]', b'["\\\\","\\\\\\" , "]'),
    "escapes and numbers as written": (
        b'[ "\\u00e9\\/" , 1.0E+2 , -0 ]',
        b'["\\u00e9\\/",1.0E+2,-0]',
    ),
    "equal keys": (b'{"a": 1, "a": 2}', b'{"a":1,"a":2}'),
    "a scalar": (b'  "a b"  ', b'"a b"'),
    "no JSON": (b"  some  message  ", b"some  message"),
    "numbers side by side": (b"[ 1 2, - 3 ]", b"[1 2,- 3]"),
    "strings side by side": (b'{ "a"  "b" }', b'{"a"  "b"}'),
    "an open string": (b'{ "a" : "b  ,  c ', b'{"a":"b  ,  c '),
    "an open escape": (b'{ "a" : "b \\', b'{"a":"b \\'),
    "other kinds of space": (b"[ 1,\x0b\x0c2,\xc2\xa03 ]", b"[1,\x0b\x0c2,\xc2\xa03]"),
    "binary": (b"\x00 \xff {\xfe }", b"\x00 \xff{\xfe}"),
}


@pytest.mark.parametrize(("body", "expected"), TEXTS.values(), ids=TEXTS)
def test_compact_takes_out_the_space_that_does_not_count(body: bytes, expected: bytes) -> None:
    assert compact(body) == expected


_TEXT = st.text(st.sampled_from('{}[],:"\\ \n\té\u2028a'), max_size=6)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _TEXT,
    lambda values: st.lists(values) | st.dictionaries(_TEXT, values),
    max_leaves=12,
)
_INDENTS = st.sampled_from([None, 0, 1, 2, "\t"])
_SOUP = st.lists(st.sampled_from([*'{}[],:"\\ \n\t12-ea', '"a"', "true", ": ", ", "])).map("".join)


@given(_VALUES, _INDENTS)
def test_compact_text_is_what_a_compact_writer_would_have_written(value: Any, indent: Any) -> None:
    body = json.dumps(value, indent=indent).encode()
    assert compact(body) == json.dumps(value, separators=(",", ":")).encode()


def _read(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return "broken"


@pytest.mark.parametrize("text", [b'"\\ud83d"', b"[" * 5_000 + b"]" * 5_000], ids=["half", "deep"])
def test_json_that_the_decoder_does_not_take_is_made_compact_too(text: bytes) -> None:
    assert compact_json(text) is None
    assert compact(b" " + text + b"\n") == text


@given(_SOUP)
def test_compact_text_means_the_same_or_is_as_unreadable_as_before(text: str) -> None:
    body = text.encode()
    assert _read(compact(body)) == _read(body)
    assert compact(compact(body)) == compact(body)


@given(_VALUES, _INDENTS, st.integers(0, 60), st.sampled_from([*b' \n"\\{}[],:1a\x00\xff']))
def test_compacting_gives_the_same_with_and_without_the_decoder(
    value: Any, indent: Any, at: int, byte: int
) -> None:
    """Another byte somewhere, which may be no JSON any more, must not take the text elsewhere."""
    body = json.dumps(value, indent=indent).encode()
    for text in (body, body[:at] + bytes([byte]) + body[at + 1 :]):
        # With this behind it, it is no JSON, and goes the other way.
        assert compact_json(text + b",]") is None
        assert compact_json(text) in (None, compact(text + b",]")[:-2])


@given(st.binary())
def test_compact_takes_out_nothing_but_whitespace(body: bytes) -> None:
    assert b"".join(compact(body).split()) == b"".join(body.split())


@given(st.text(st.characters(max_codepoint=0xFF, codec="utf-8") | st.characters(codec="utf-8")))
def test_json_made_visible_means_the_same_and_steers_no_terminal(text: str) -> None:
    shown = escape_control_characters(msgspec.json.encode([text])).decode()
    assert json.loads(shown) == [text]
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", shown)


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("1", 0),
        ("[]" * 9, 1),
        ('[{"a": [1]}, [[]], {}]', 3),
        ('["[[[[", {"{{": "{"}]', 2),
        ('["\\"[[[[", "[[", {"\\\\": "{"}]', 2),
    ],
)
def test_brackets_count_as_deep_as_they_are_nested_and_not_in_strings(
    text: str, levels: int
) -> None:
    assert not is_deeper(text, levels)
    assert levels == 0 or is_deeper(text, levels - 1)


def test_each_character_that_steers_a_terminal_is_escaped() -> None:
    document = '"a\x7f\x80\x9f\xa0b"'.encode()
    assert escape_control_characters(document) == b'"a\\u007f\\u0080\\u009f\xc2\xa0b"'


@pytest.mark.parametrize("begin", ["{", "["])
def test_one_kind_of_bracket_alone_goes_as_deep(begin: str) -> None:
    assert is_deeper(begin * 3, 2)
    assert not is_deeper(begin * 2, 2)


def test_a_closed_bracket_does_not_count_and_a_later_one_does() -> None:
    assert not is_deeper("[[], [], []]", 2)
    assert is_deeper("[[], [], [[]]]", 2)


def test_a_string_in_broken_text_keeps_its_blanks_after_an_escaped_quote() -> None:
    assert compact(b'{ "a\\" b" : 1 , oops') == b'{"a\\" b":1,oops'
