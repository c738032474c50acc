"""A stream of bytes is split into its documents, whatever their layout and whatever is broken."""

import json
import time
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from projector.intake.documents import split_documents

_A, _B, _C = b'{"a": 1}', b'{"b": [{"c": "}{\\"]["}, [], {}]}', b'{"c": null}'
_VALUE = {"a": {"b": [1, {"c": []}]}, "d": "x"}
_PRETTY, _FLAT = (json.dumps(_VALUE, indent=indent).encode() for indent in (2, 0))


def _cut(data: bytes, chunk_bytes: int) -> Iterator[bytes]:
    return (data[at : at + chunk_bytes] for at in range(0, len(data), chunk_bytes))


def _split(data: bytes, **bounds: int) -> list[bytes]:
    """Return the documents, which are the same however the stream is cut into chunks."""
    whole = list(split_documents([data], **bounds))
    for chunk_bytes in (1, 2, 3, 7, 64):
        assert list(split_documents(_cut(data, chunk_bytes), **bounds)) == whole
    return whole


LAYOUTS = {
    "nothing": (b"", []),
    "blank lines only": (b"\n  \r\n\t\n", []),
    "one document a line": (b"%s\n%s\n%s\n" % (_A, _B, _C), [_A, _B, _C]),
    "no newline at the end": (b"%s\n%s" % (_A, _B), [_A, _B]),
    "CRLF": (b"%s\r\n%s\r\n" % (_A, _B), [_A, _B]),
    "blank lines between": (b"\n\n%s\n \r\n\n%s\n\n" % (_A, _B), [_A, _B]),
    "spaces around a line": (b"  %s  \n\t%s \r\n" % (_A, _B), [_A, _B]),
    "mark at the start": (b"\xef\xbb\xbf%s\n%s" % (_A, _B), [_A, _B]),
    "files with marks in a row": (b"\xef\xbb\xbf%s\n\xef\xbb\xbf%s\n" % (_A, _B), [_A, _B]),
    "pretty": (_PRETTY, [_PRETTY]),
    "pretty, several": (b"%s\n%s\n\n%s" % (_PRETTY, _PRETTY, _A), [_PRETTY, _PRETTY, _A]),
    "a line between pretty ones": (b"%s\n%s\n%s" % (_PRETTY, _A, _PRETTY), [_PRETTY, _A, _PRETTY]),
    "pretty, back to back": (_PRETTY + _PRETTY, [_PRETTY, _PRETTY]),
    "several on one line": (_A + _B + _C, [_A, _B, _C]),
    "several on each line": (
        b"%s%s\n%s %s\t%s\r\n%s%s" % (_A, _B, _C, _A, _B, _B, _C),
        [_A, _B, _C, _A, _B, _B, _C],
    ),
    "several on a line between others": (
        b"%s\n%s%s\n%s\n%s %s \n%s" % (_A, _B, _C, _A, _B, _C, _A),
        [_A, _B, _C, _A, _B, _C, _A],
    ),
    "strings that look like several": (b'{"} {": "}{"}\n' * 3, [b'{"} {": "}{"}'] * 3),
    "a line behind a pretty one": (b"%s %s\n%s" % (_PRETTY, _A, _B), [_PRETTY, _A, _B]),
    "a pretty one behind a line": (b"%s%s\n%s" % (_A, _PRETTY, _B), [_A, _PRETTY, _B]),
    "an array behind a line": (b"%s[%s,\n%s]\n%s[%s]" % (_A, _B, _C, _B, _A), [_A, _B, _C, _B, _A]),
    "an array behind a line, over several lines": (b"%s[%s\n,%s]" % (_A, _B, _C), [_A, _B, _C]),
    "an array of lines without commas": (
        b"%s\n[%s\n%s]\n%s" % (_A, _C, _A, _B),
        [_A, _C, _A, _B],
    ),
    "several in an array, without commas": (b"[%s%s\n%s %s]" % (_A, _B, _C, _A), [_A, _B, _C, _A]),
    "not indented": (b"%s\n%s\n%s" % (_FLAT, _A, _FLAT), [_FLAT, _A, _FLAT]),
    "an array whose beginning was lost": (
        b"%s,\n%s,\n%s\n]\n%s" % (_A, _PRETTY, _B, _C),
        [_A, _PRETTY, _B, b"]", _C],
    ),
    "leading commas": (b'{"a": {"b": 1}\n, "c": 2\n}\n', [b'{"a": {"b": 1}\n, "c": 2\n}']),
    "Lisp's closers": (b'{"a": {\n  "b": {"c": 1}}}\n', [b'{"a": {\n  "b": {"c": 1}}}']),
    "closers below": (
        b'{"a": {"b": 1}\n}\n{"a": [{}\n]}',
        [b'{"a": {"b": 1}\n}', b'{"a": [{}\n]}'],
    ),
    "array in one line": (b"[%s, %s,%s]" % (_A, _B, _C), [_A, _B, _C]),
    "array of lines": (b"[\n%s,\n%s\n]\n" % (_A, _B), [_A, _B]),
    "array of one line": (b"[\n%s\n]\n" % _A, [_A]),
    "array of lines, bracket before": (b"[%s, \n %s, \n %s]" % (_A, _B, _C), [_A, _B, _C]),
    "array of lines, commas before": (b"[\n  %s\n, %s\n]" % (_A, _B), [_A, _B]),
    "array of pretty ones, hugged": (b"[%s, %s]" % (_PRETTY, _PRETTY), [_PRETTY, _PRETTY]),
    "arrays, one a line": (b"[%s]\n[]\n[%s,%s]\n%s\n" % (_A, _B, _C, _A), [_A, _B, _C, _A]),
    "an array in a document's line": (b"%s [%s,\n%s]" % (_PRETTY, _A, _B), [_PRETTY, _A, _B]),
    "an array behind a document": (b"%s\n[\n%s\n]\n%s" % (_PRETTY, _A, _B), [_PRETTY, _A, _B]),
    "empty arrays": (b"[]\n[ ]\n[\n]\n[\n\n  ]", []),
    "an array that does not end": (b"%s\n[\n%s\n%s\n" % (_A, _B, _C), [_A, _B, _C]),
    "elements of all kinds": (
        b'[1, "a,]", [2, [3]], null, {}]',
        [b"1", b'"a,]"', b"[2, [3]]", b"null", b"{}"],
    ),
    "10,000 levels in one line": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, ...),
}


@pytest.mark.parametrize(("data", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_each_document_comes_out_exactly_as_it_came_in(data: bytes, expected: Any) -> None:
    assert _split(data) == ([data] if expected is ... else expected)


GARBAGE = {
    "text": [b"Traceback (most recent call last):", b"ValueError: 1, 2", b"  x: [y]"],
    "log messages": [b"[INFO] started", b"[2024-03-01 10:00:00] 1, 2", b'["a": 1]'],
    "closers": [b"}", b"]", b"}]}", b"],"],
    "commas": [b",", b",,", b", {}"],
    "quotes": [b'"', b'"a', b'"a": {', b'\\"'],
    "scalars": [b"1", b'"a"', b"null"],
    "binary": [b"\x00", b"\xff\xfe{\x00}\x00", b"\xef\xbb", b"\xed\xa0\x80", b"\x0b \x0c"],
    "documents with more on their line": [
        b'{"a": 1}}',
        b"{]}",
        b"{} x {}",
        b'{"a": 1},}',
    ],
    "brackets on lines of their own": [b"{", b"{}", b"}"],
}


@pytest.mark.parametrize("lines", GARBAGE.values(), ids=GARBAGE)
def test_each_line_of_garbage_is_a_document(lines: list[bytes]) -> None:
    expected = [line.strip(b" ") for line in lines]
    assert _split(b"\n".join(lines)) == expected
    assert _split(b"\r\n".join([_A, *lines, _B])) == [_A, *expected, _B]


_LINE = b'{"id": {"x": [1, {"y": "}\\\\"}, []], "z": {}}, "da": tru}'
CUT_LINES = {
    "every object": [_LINE[:at].rstrip() for at in range(1, len(_LINE))],
    "10,000 levels": [b'{"a":' * 10_000],
    "the beginning of a string": [b'["'],
}


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\n\n"], ids=["LF", "CRLF", "blank line"])
@pytest.mark.parametrize("cut_off", CUT_LINES.values(), ids=CUT_LINES)
def test_a_line_that_was_cut_off_is_one_document(cut_off: list[bytes], newline: bytes) -> None:
    for line in cut_off:
        for lines in ([line, _A, _B], [_A, line, _B], [line, line, _A], [line, _PRETTY, _PRETTY]):
            assert _split(newline.join(lines)) == lines


CUT_ARRAYS = {
    "a bracket": (b"[", []),
    "after a comma": (b'[{"x": 1},', [b'{"x": 1}']),
    "in a number": (b"[1,2", [b"1", b"2"]),
    "in an object": (b'[{"x": 1}, {"y": [', [b'{"x": 1}', b'{"y": [']),
    "in a key": (b'[[1], {"x', [b"[1]", b'{"x']),
    "10,000 levels": (b"[" * 10_000, [b"[" * 9_999]),
}


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\n\n"], ids=["LF", "CRLF", "blank line"])
@pytest.mark.parametrize(("line", "elements"), CUT_ARRAYS.values(), ids=CUT_ARRAYS)
def test_an_array_that_was_cut_off_leaves_the_next_lines_alone(
    line: bytes, elements: list[bytes], newline: bytes
) -> None:
    assert _split(newline.join([_A, line, _A, _B])) == [_A, *elements, _A, _B]
    assert _split(newline.join([line, _A, line, _B])) == [*elements, _A, *elements, _B]
    assert _split(newline.join([line, _PRETTY, _PRETTY])) == [*elements, _PRETTY, _PRETTY]
    array = b"[%s,%s]" % (_B, _C)
    assert _split(newline.join([line, _A, array, _A])) == [*elements, _A, _B, _C, _A]


BROKEN = {
    "pretty, no colon": b'{\n  "a": 1,\n  "b" 2,\n  "c": {\n    "x": 1\n  }\n}',
    "pretty, no comma": b'{\n  "a": 1\n  "b": 2\n}',
    "pretty, a word": b'{\n  "a": [\n    1 2\n  ]\n}',
    "pretty, open string": b'{\n  "a": "x,\n\n  "b": 2\n}',
    "pretty, wrong closer": b'{\n  "a": [\n    1\n  }\n}',
    "pretty, cut off": b'{\n  "a": 1,\n  "b": {\n    "c"',
    "pretty, cut off and closed": b'{\n  "a": 1,\n  "b": {\n    "c"\n}',
    "too deep": b"{" + b"".join(b'\n%*s"a": {' % (i, b"") for i in range(1, 1010)) + b"\n}",
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_pretty_document_is_one_piece(broken: bytes) -> None:
    for data in (broken, broken.replace(b"\n", b"\r\n")):
        assert _split(b"\xef\xbb\xbf%s\n%s\n%s\n" % (data, _A, _B)) == [data, _A, _B]
        assert _split(b"  %s\n%s\n%s\n" % (_A, _B, data)) == [_A, _B, data]
        assert _split(b"%s\n%s\n%s\n" % (_PRETTY, data, _PRETTY)) == [_PRETTY, data, _PRETTY]


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_element_leaves_the_other_elements_alone(broken: bytes) -> None:
    first, second, third = (text.replace(b"\n", b"\n  ") for text in (_PRETTY, broken, _B))
    for order in ([first, second, third], [second, first, third], [first, third, second]):
        found = _split(b"[\n  %s,\n  %s,\n  %s\n]\n%s" % (*order, _A))
        # A comma that comes where the document was cut off may belong to it.
        assert [document.rstrip(b",") for document in found] == [*order, _A]


def test_a_broken_element_takes_no_other_along() -> None:
    assert _split(b'[%s, {"b" [1}, %s]\n%s' % (_A, _B, _C)) == [_A, b'{"b" [1},', _B, _C]
    assert _split(b'[%s, {"b" [1}, {}]\n%s' % (_A, _C)) == [_A, b'{"b" [1}, {}]', _C]
    assert _split(b'[\n%s,\n%s,\n{"b" [1},\n%s\n]' % (_A, _B, _C)) == [_A, _B, b'{"b" [1},', _C]
    assert _split(b"[\n  1 2,\n  %s, [3, 4]\n]\n%s" % (_A, _B)) == [b"1 2,", _A, b"[3, 4]", _B]


def test_an_element_whose_brackets_are_balanced_takes_nothing_along() -> None:
    assert _split(b'[%s, {"b" 1}, %s]\n%s' % (_A, _B, _C)) == [_A, b'{"b" 1}', _B, _C]
    assert _split(b'[\n%s,\n{"b" 1},\n%s\n]' % (_A, _B)) == [_A, b'{"b" 1}', _B]


def test_documents_cut_off_a_thousand_times_leave_the_next_one_alone() -> None:
    for count in range(990, 1010):
        lines = [b'{"a":'] * count
        for document in (_A, _PRETTY):
            assert list(split_documents([b"\n".join([*lines, document])])) == [*lines, document]


def test_a_line_that_was_cut_off_leaves_several_on_the_next_line_alone() -> None:
    for line in (b'{"a":', b'{"a": [', b'{"a": [1,', b'{"a": "x'):
        data = b"%s\n%s%s\n%s %s\n%s" % (line, _A, _B, _C, _A, _PRETTY)
        assert _split(data) == [line, _A, _B, _C, _A, _PRETTY]


@pytest.mark.parametrize("behind", [b"x", b"x {} y", b", {} x", b"]", b"\x00", b'"b": 2}x'])
def test_text_behind_a_document_on_its_line_is_one_piece(behind: bytes) -> None:
    assert _split(b"%s%s\n%s" % (_A, behind, _B)) == [_A, behind, _B]
    assert _split(b"%s\n%s %s\n%s" % (_B, _PRETTY, behind, _B)) == [_B, _PRETTY, behind, _B]


def test_text_behind_an_array_on_its_line_is_one_piece() -> None:
    assert _split(b"%s[1]}\n%s\n%s[%s]} {x" % (_A, _B, _C, _A)) == [
        _A,
        b"1",
        b"}",
        _B,
        _C,
        _A,
        b"} {x",
    ]


def test_a_document_has_at_most_a_thousand_levels() -> None:
    lines = [*[b'{"a":'] * 999, b'{"a":\n}', *[b"}"] * 999]
    assert _split(b"\n".join(lines)) == [b"\n".join(lines)]
    deeper = [b'{"a":', *lines, b"}"]
    assert _split(b"\n".join(deeper)) == deeper


def test_the_end_of_a_document_whose_beginning_was_lost_leaves_the_others_alone() -> None:
    end = b'"x": 1\n  }\n}'
    lines = [line.strip() for line in end.splitlines()]
    assert _split(b"%s\n%s\n%s" % (end, _A, _PRETTY)) == [*lines, _A, _PRETTY]
    data = b'{"a":\n%s\n%s\n%s\n%s' % (_A, end, _B, _PRETTY)
    assert _split(data) == [b'{"a":', _A, *lines, _B, _PRETTY]


def test_lines_that_no_json_holds_end_a_broken_document() -> None:
    for line in (b'{"a": 1', b'{"a": [1', b'{"a": "x"', b'{"a": {"b": 1}'):
        for behind in (b'"b": 2}', b"2}", b"true}"):
            data = b"%s\n%s\n%s" % (line, behind, _A)
            expected = [line, behind, _A]
            assert _split(data) == expected


def test_an_array_that_was_cut_off_gives_the_elements_it_has() -> None:
    for rest in ([b'{\n    "c": [\n      1'], [b'{"c'], []):
        for data in (b"[%s, %s, %s", b"[%s, %s, %s\n", b"[\n  %s,\n  %s,\n  %s"):
            assert _split(data % (_A, _B, b"".join(rest))) == [_A, _B, *rest]


def test_the_lines_behind_an_array_that_was_cut_off_come_out() -> None:
    for cut_off in (b'[\n  %s,\n  {"x' % _A, b'[%s,{"y":1},{"x' % _A, b"[\n%s,\n%s" % (_A, _C)):
        data = b"%s\n%s\n[%s,\n%s]\n%s\n" % (cut_off, _A, _B, _A, _C)
        assert _split(data)[-4:] == [_A, _B, _A, _C]


def test_an_array_without_a_comma_still_gives_its_elements() -> None:
    assert _split(b"[\n  %s\n  %s,\n  %s\n]\n%s" % (_A, _B, _C, _A)) == [_A, _B, _C, _A]


def test_text_in_an_array_that_is_no_element_is_one_document_per_line() -> None:
    data = b'[\n  %s,\n  oh no,\n  1 2,\n  "x": {},\n  %s\n]\n[%s]' % (_A, _B, _C)
    assert _split(data) == [_A, b"oh no,", b"1 2,", b'"x": {},', _B, _C]


OVERSIZE = {
    "a line": b'{"a":"' + b"x" * 100 + b'"}',
    "a line of garbage": b"x" * 100,
    "a pretty document": b'{\n  "a": [\n' + b"    1,\n" * 20 + b"    1\n  ]\n}",
    "an element that never ends": b'[\n  {\n    "a": [\n' + b"      1,\n" * 20 + b"      1",
    "a string in an array": b'["' + b"x" * 100 + b'"',
    "spaces in a line": b"x" + b" " * 100 + b"x",
}


@pytest.mark.parametrize("data", OVERSIZE.values(), ids=OVERSIZE)
def test_a_too_long_line_comes_in_pieces_and_the_next_line_alone(data: bytes) -> None:
    for bytes_max in range(30, 50):
        *pieces, last = _split(b"%s\n%s\n" % (data, _A), document_bytes_max=bytes_max)
        assert last == _A
        assert max(map(len, pieces)) <= bytes_max
        assert len(pieces) <= 2 + len(data) / (bytes_max - 6)


def test_a_line_of_documents_may_be_longer_than_a_document() -> None:
    assert _split(_A * 20 + b"\n" + _B, document_bytes_max=40) == [_A] * 20 + [_B]
    assert _split(b"[%s]" % b",".join([_A] * 20), document_bytes_max=40) == [_A] * 20


ENDLESS = {
    "a line": (b"", b"x"),
    "blank lines": (b"", b" \n"),
    "a string": (b'{"a": "', b"x"),
    "a pretty document": (b'{\n  "a": [\n', b'    "some text",\n'),
    "an element": (b'[{"a": ["', b'some text", "'),
    "brackets": (b"[", b"["),
}


@pytest.mark.parametrize(("begin", "piece"), ENDLESS.values(), ids=ENDLESS)
def test_memory_does_not_grow_with_the_stream(begin: bytes, piece: bytes) -> None:
    chunks = (begin if at == 0 else piece * (4096 // len(piece)) for at in range(500))
    tracemalloc.start()
    try:
        for _ in split_documents(chunks, document_bytes_max=50_000):
            pass
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 250_000


def test_documents_come_while_the_stream_is_still_read() -> None:
    for begin, behind in ((b"", b"\n"), (b"[", b","), (b"[\n  ", b",\n  ")):
        chunks = iter([begin, *[_A + behind] * 100])
        stream = split_documents(chunks, document_bytes_max=100)
        assert [next(stream), next(stream)] == [_A, _A]
        assert len(list(chunks)) > 80


@pytest.mark.parametrize(
    "broken", [b'{"a": "x', b'{"a": 1', b'{"a": [1', b'{"a":\n{"b": [', b"{", b"x", b"[x"]
)
def test_documents_behind_broken_text_come_while_the_stream_is_still_read(broken: bytes) -> None:
    chunks = iter([broken, b"\n", *[_A, b"\n"] * 5_000])
    stream = split_documents(chunks)
    for expected in (*broken.split(b"\n"), _A, _A):
        assert next(stream) == expected
    assert len(list(chunks)) > 9_000


HOSTILE = {
    "lines of [": b"[\n",
    "lines of keys": b'{"a":\n',
    "lines of keys and brackets": b'{"a":[\n',
    "lines of unfinished arrays": b"[{},\n",
    "unfinished documents of many lines": b'{"a":[\n' * 400 + b"1,\n" * 400,
    "lines that end what earlier ones began": b'{"a":[\n' * 400 + b"]}\n" * 399 + b"x\n",
    "a broken end": b'{"a":[\n' + b'{\n"b":[{},\n' * 400 + b"{}\n" + b"]}\n" * 400 + b"x\n",
    "brackets": b"[",
    "documents in one line": b"{}",
    "arrays in one line": b"[1]",
    "quotes": b'"',
    "lines of quotes": b'"\n',
    "escapes": b'\\"',
    "commas": b"1,",
    "documents cut off behind commas": b'{"z":1},{"a":[1',
    "documents cut off in arrays": b'{"a":[1,{"b":2},',
    "documents cut off in strings": b'{"a": "x{"b": "}{"}}',
    "documents with a bracket too many": b'{"a":1}}',
    "keys behind text": b'x{"a":[1,"x{",',
    "keys behind escapes": b'x{"\\"',
    "blank lines": b"\n",
}


@pytest.mark.parametrize("begin", [b"", b'{"a":[\n', b'{"a":"', b'[{"a":[1,'])
@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_no_text_takes_long(begin: bytes, piece: bytes) -> None:
    """A second at most: looking from every bracket to the end would take minutes."""
    data = begin + piece * (100_000 // len(piece)) + b"x\n"
    began = time.process_time()
    for _ in split_documents(_cut(data, 4096)):
        pass
    assert time.process_time() - began < 15
