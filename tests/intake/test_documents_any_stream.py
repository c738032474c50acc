"""Whatever comes, in whatever layout: documents are read back, and nothing is left out."""

import json
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from projector.intake.documents import split_documents


def _cut(data: bytes, chunk_bytes: int) -> Iterator[bytes]:
    return (data[at : at + chunk_bytes] for at in range(0, len(data), chunk_bytes))


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(st.sampled_from('{}[],:"\\ \n\té\u2028a'), max_size=5),
    lambda values: (
        st.lists(values, max_size=3)
        | st.dictionaries(st.text(st.sampled_from('ab{"'), max_size=2), values, max_size=3)
    ),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(st.text(st.sampled_from('ab{"'), max_size=2), _VALUES, max_size=3)
_BETWEEN = ["\n", "\n\n", "\n  \n", "", " ", "\t", "\r", "\n\x1e", "\f", "\x85", "\u2028", "\ufeff"]
_INDENTS = st.sampled_from([None, 0, 1, 2, 4, "\t"])
_CHUNK_BYTES = st.sampled_from([1, 2, 3, 5, 16, 61, 1 << 20])


@st.composite
def _layouts(draw: st.DrawFn) -> tuple[str, list[Any]]:
    """Some values, and their text in one of the layouts."""
    indent, ensure_ascii = draw(_INDENTS), draw(st.booleans())

    def text(value: Any) -> str:
        return json.dumps(value, indent=indent, ensure_ascii=ensure_ascii)

    if draw(st.booleans()):
        objects = draw(st.lists(_OBJECTS, max_size=4))
        between = draw(st.sampled_from(_BETWEEN))
        return between.join(map(text, objects)), objects
    values = draw(st.lists(_VALUES, max_size=4))
    if draw(st.booleans()):
        return text(values), values
    comma = draw(st.sampled_from([",", ", ", ",\n", ", \n ", "\n,"]))
    begin, end = draw(st.sampled_from([("[", "]"), ("[\n", "\n]"), ("[ ", " ]")]))
    return begin + comma.join(map(text, values)) + end, values


@given(st.lists(_layouts(), max_size=4), st.booleans(), st.booleans(), _CHUNK_BYTES)
def test_every_document_is_read_back_from_any_mix_of_layouts(
    parts: list[tuple[str, list[Any]]], crlf: bool, marked: bool, chunk_bytes: int
) -> None:
    text = "\n".join(part for part, _ in parts)
    data = text.replace("\n", "\r\n" if crlf else "\n").encode("utf-8-sig" if marked else "utf-8")
    found = [json.loads(document) for document in split_documents(_cut(data, chunk_bytes))]
    assert found == [value for _, values in parts for value in values]


_SPACES = [b" ", b"  ", b"\n", b"\n  ", b"\r\n", b"\xef\xbb\xbf", b"\x1e", b"\xe2\x80\xa8"]
_TOKENS = [*b'{ } [ ] , : " \\ 1 "a": {"a":1} [1] x\n {"a":1}\n \0 \xbb'.split(b" ")]
_SOUP = st.lists(st.sampled_from(_SPACES) | st.sampled_from(_TOKENS)).map(b"".join)
_LEFT_OUT = rb"(?:[ \t\r\n\f\x1e\[\],]|\xef\xbb\xbf|\xc2\x85|\xe2\x80[\xa8\xa9])*?"


@given(st.binary() | _SOUP, st.integers(1, 40) | st.just(1 << 24), _CHUNK_BYTES)
def test_nothing_but_separators_and_the_punctuation_of_arrays_is_left_out(
    data: bytes, document_bytes_max: int, chunk_bytes: int
) -> None:
    found = list(split_documents([data], document_bytes_max=document_bytes_max))
    assert (
        list(split_documents(_cut(data, chunk_bytes), document_bytes_max=document_bytes_max))
        == found
    )
    assert all(0 < len(document) <= document_bytes_max for document in found)
    pattern = _LEFT_OUT.join([b"", *map(re.escape, found), b""])
    assert re.fullmatch(pattern, data)


_GOOD = _OBJECTS.map(lambda value: json.dumps(value).encode())
_CUT_OFF = st.builds(lambda line, at: line[: 1 + at % (len(line) - 1)], _GOOD, st.integers(0))
_ALPHABET = b'abc ,:"\\{[1\0\xff\xef'


def _garbage(alphabet: bytes) -> st.SearchStrategy[bytes]:
    lines = st.lists(st.sampled_from(list(alphabet)), min_size=1, max_size=8).map(bytes)
    return lines.map(lambda line: line.lstrip() or b"x")


@given(st.lists(_GOOD | _CUT_OFF | _garbage(_ALPHABET.translate(None, b"{["))), _CHUNK_BYTES)
def test_every_line_is_a_document_where_lines_are_cut_off_or_hold_no_brackets(
    lines: list[bytes], chunk_bytes: int
) -> None:
    found = list(split_documents(_cut(b"\n".join(lines), chunk_bytes)))
    assert found == [line.strip() for line in lines]


_GOOD_LINES = st.lists(_GOOD, min_size=1, max_size=3)


@given(
    st.lists(_GOOD_LINES | _garbage(_ALPHABET).map(lambda line: [line])),
    st.sampled_from([b"", b" "]),
)
def test_a_good_document_is_found_whatever_garbage_comes_before_it(
    lines: list[list[bytes]], between: bytes
) -> None:
    """Garbage with closing brackets is left out: it can end what other garbage began."""
    found = iter(split_documents([b"\n".join(map(between.join, lines))]))
    for line in lines:
        for document in line:
            assert not document.startswith(b"{") or not document.endswith(b"}") or document in found
