"""JSON text is made compact, and containers are followed to their end, without reading either."""

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
    find_end,
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


@given(st.lists(_VALUES) | st.dictionaries(_TEXT, _VALUES), _INDENTS, st.binary())
def test_a_container_ends_where_its_bracket_closes(value: Any, indent: Any, rest: bytes) -> None:
    text = json.dumps(value, indent=indent).encode()
    assert find_end(text + rest, 0, len(text + rest), depth_max=100) == (len(text), [])
    assert find_end(b"1" + text, 1, len(text) + 1, depth_max=100) == (len(text) + 1, [])


@given(st.lists(_VALUES) | st.dictionaries(_TEXT, _VALUES), _INDENTS)
def test_a_container_that_is_not_all_there_is_never_called_broken(value: Any, indent: Any) -> None:
    text = json.dumps(value, indent=indent).encode()
    for end in range(1, len(text)):
        at, opened = find_end(text, 0, end, depth_max=100)
        assert (at, opened[:1]) == (end, [0])


CONTAINERS = {
    "empty": b"{}",
    "an array": b'[1, -2.5e+3, "b", null, true]',
    "an object": b'{"a": 1, "b": "c", "d": false}',
    "laid out": b'{\r\n\t"a" : [\n    1 ,\n    { }\n  ] ,\r\n "b" : [ ]\r\n}',
    "deep": b'[[[[{"a": {"b": {"c": [[], {}, 1, [2]]}}}, 3], 4]], 5]',
    "brackets in strings": b'{"]": "}", "a{": ["[", {"}": "]"}], "b": "{"}',
    "quotes in strings": b'["\\"]", "\\\\", {"\\"}": {"\\\\\\"": ["}\\\\"]}}]',
    "strings with letters": '["é\u2028", {"日本": ["\\u00e9", {}]}]'.encode(),
}


@pytest.mark.parametrize("text", CONTAINERS.values(), ids=CONTAINERS)
def test_each_of_these_containers_ends_where_it_ends_and_not_where_it_is_cut(text: bytes) -> None:
    assert find_end(b"]" + text + b"]}", 1, len(text) + 3, depth_max=100) == (len(text) + 1, [])
    for end in range(1, len(text)):
        at, opened = find_end(text, 0, end, depth_max=100)
        assert (at, opened[:1]) == (end, [0]), text[:end]


def test_text_after_the_end_of_the_part_does_not_count() -> None:
    text = b'[1, {"a": 2}]'
    assert find_end(text, 0, 4, depth_max=100) == (4, [0])
    assert find_end(text, 0, len(text) - 1, depth_max=100) == (len(text) - 1, [0])


def test_a_cut_container_reports_its_open_brackets() -> None:
    text = b'{"a": [1, {"b": {}}, {"c": "]'
    assert find_end(text, 0, len(text), depth_max=100) == (len(text), [0, 6, 21])


def test_containers_within_containers_end_down_to_a_depth() -> None:
    for text in (b"[" * 60 + b"]" * 60, b'{"a":' * 60 + b"1" + b"}" * 60):
        assert find_end(text, 0, len(text), depth_max=60) == (len(text), [])
        at, opened = find_end(text, 0, len(text), depth_max=50)
        assert (at, len(opened)) == (len(text), 51)


BROKEN = {
    "no key": b'{"a": 1, {"b": 1, ',
    "no colon": b'{"a" {"b": 1, ',
    "no comma in an array": b'[{"a": {"b": [{}]}} [1, ',
    "no comma in an object": b'{"a": {"b": {"c": {}}} "d": 1, ',
    "two values": b"[1 2, 3, 4, ",
    "the wrong bracket": b'{"a": [1}, ',
    "a newline in a string": b'["a\n", ',
    "an escaped newline": b'["a\\\n", ',
    "a comma first": b"[, 1, 2, 3, ",
    "a colon in an array": b'["a": 1, ',
    "two commas": b"[1,, 2, 3, 4, ",
    "a key without a value": b'{"a": }, ',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_text_that_cannot_become_json_is_called_broken(text: bytes) -> None:
    at, opened = find_end(text, 0, len(text), depth_max=100)
    assert at < len(text)
    assert opened


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
