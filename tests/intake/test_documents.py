"""A stream of bytes is cut into its documents, whatever their layout and whatever is broken."""

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


def _framed(data: bytes, **bounds: int) -> list[bytes]:
    """The frames, which are the same however the stream is cut."""
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
    "elements of all kinds": (
        b'[1, "a,]", [2, [3]], null, {}]',
        [b"1", b'"a,]"', b"[2, [3]]", b"null", b"{}"],
    ),
    "10,000 levels in one line": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, ...),
}


@pytest.mark.parametrize(("data", "expected"), LAYOUTS.values(), ids=LAYOUTS)
def test_each_document_comes_out_exactly_as_it_came_in(data: bytes, expected: Any) -> None:
    assert _framed(data) == ([data] if expected is ... else expected)


GARBAGE = {
    "text": [b"Traceback (most recent call last):", b"ValueError: 1, 2", b"  x: [y]"],
    "a bracket": [b"["],
    "closers": [b"}", b"]", b"}]}", b"],"],
    "commas": [b",", b",,", b", {}"],
    "quotes": [b'"', b'"a', b'"a": {', b'\\"'],
    "scalars": [b"1", b'"a"', b"null"],
    "binary": [b"\x00", b"\xff\xfe{\x00}\x00", b"\xef\xbb", b"\xed\xa0\x80", b"\x0b \x0c"],
    "documents with more in their line": [b"{} {}", b'{"a": 1}}', b"{]}"],
}


@pytest.mark.parametrize("lines", GARBAGE.values(), ids=GARBAGE)
def test_each_line_of_garbage_is_a_frame(lines: list[bytes]) -> None:
    expected = [line.strip(b" ") for line in lines]
    assert _framed(b"\n".join(lines)) == expected
    assert _framed(b"\r\n".join([_A, *lines, _B])) == [_A, *expected, _B]


_LINE = b'{"id": {"x": [1, {"y": "}\\\\"}, []], "z": {}}, "da": tru}'
CUT_LINES = {
    "every object": [_LINE[:at].rstrip() for at in range(1, len(_LINE))],
    "arrays": [b"[", b"[1,2", b'["', b'[{"x": 1},', b'[{"x": 1}, {"y": [', b'[[1], {"x'],
    "10,000 levels": [b'{"a":' * 10_000, b"[" * 10_000],
}


@pytest.mark.parametrize("newline", [b"\n", b"\r\n", b"\n\n"], ids=["LF", "CRLF", "blank line"])
@pytest.mark.parametrize("cut_off", CUT_LINES.values(), ids=CUT_LINES)
def test_a_line_that_was_cut_off_is_one_frame(cut_off: list[bytes], newline: bytes) -> None:
    for line in cut_off:
        for lines in ([line, _A, _B], [_A, line, _B], [line, line, _A], [line, _PRETTY, _PRETTY]):
            assert _framed(newline.join(lines)) == lines


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
def test_a_broken_pretty_document_is_one_frame(broken: bytes) -> None:
    for data in (broken, broken.replace(b"\n", b"\r\n")):
        assert _framed(b"\xef\xbb\xbf%s\n%s\n%s\n" % (data, _A, _B)) == [data, _A, _B]
        assert _framed(b"  %s\n%s\n%s\n" % (_A, _B, data)) == [_A, _B, data]
        assert _framed(b"%s\n%s\n%s\n" % (_PRETTY, data, _PRETTY)) == [_PRETTY, data, _PRETTY]


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_element_leaves_the_other_elements_alone(broken: bytes) -> None:
    first, second, third = (text.replace(b"\n", b"\n  ") for text in (_PRETTY, broken, _B))
    for order in ([first, second, third], [second, first, third], [first, third, second]):
        found = _framed(b"[\n  %s,\n  %s,\n  %s\n]\n%s" % (*order, _A))
        # A comma that comes where the document was cut off may belong to it.
        assert [frame.rstrip(b",") for frame in found] == [*order, _A]


def test_a_broken_element_takes_the_rest_of_its_line_and_no_other() -> None:
    assert _framed(b'[%s, {"b" 1}, %s]\n%s' % (_A, _B, _C)) == [_A, b'{"b" 1}, %s]' % _B, _C]
    assert _framed(b'[\n%s,\n%s,\n{"b" 1},\n%s\n]' % (_A, _B, _C)) == [_A, _B, b'{"b" 1},', _C]
    assert _framed(b"[\n  1 2,\n  [3, 4]\n]") == [b"1 2,", b"[3, 4]"]


def test_documents_cut_off_a_thousand_times_leave_the_next_one_alone() -> None:
    for count in range(990, 1010):
        lines = [b'{"a":'] * count
        assert list(split_documents([b"\n".join([*lines, _FLAT])])) == [*lines, _FLAT]


def test_an_array_that_was_cut_off_gives_the_elements_it_has() -> None:
    for rest in ([b'{\n    "c": [\n      1'], [b'{"c'], []):
        for data in (b"[%s, %s, %s", b"[%s, %s, %s\n", b"[\n  %s,\n  %s,\n  %s"):
            assert _framed(data % (_A, _B, b"".join(rest))) == [_A, _B, *rest]


def test_the_lines_behind_an_array_that_was_cut_off_come_out() -> None:
    for cut_off in (b'[\n  %s,\n  {"x' % _A, b'[%s,{"y":1},{"x' % _A, b"[\n%s,\n%s" % (_A, _C)):
        data = b"%s\n%s\n[%s,\n%s]\n%s\n" % (cut_off, _A, _B, _A, _C)
        assert _framed(data)[-4:] == [_A, _B, _A, _C]


def test_an_array_without_a_comma_still_gives_its_elements() -> None:
    assert _framed(b"[\n  %s\n  %s,\n  %s\n]\n%s" % (_A, _B, _C, _A)) == [_A, _B, _C, _A]


def test_text_in_an_array_that_is_no_element_is_one_document_per_line() -> None:
    data = b'[\n  %s,\n  oh no,\n  1 2,\n  "x": {},\n  %s\n]\n[%s]' % (_A, _B, _C)
    assert _framed(data) == [_A, b"oh no,", b"1 2,", b'"x": {},', _B, _C]


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
        *pieces, last = _framed(b"%s\n%s\n" % (data, _A), frame_bytes_max=bytes_max)
        assert last == _A
        assert max(map(len, pieces)) <= bytes_max
        assert len(pieces) <= 2 + len(data) / (bytes_max - 6)


def test_a_line_of_documents_may_be_longer_than_a_frame() -> None:
    assert _framed(_A * 20 + b"\n" + _B, frame_bytes_max=40) == [_A] * 20 + [_B]
    assert _framed(b"[%s]" % b",".join([_A] * 20), frame_bytes_max=40) == [_A] * 20


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
        for _ in split_documents(chunks, frame_bytes_max=50_000):
            pass
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 250_000


def test_frames_come_while_the_stream_is_still_read() -> None:
    for begin, behind in ((b"", b"\n"), (b"[", b","), (b"[\n  ", b",\n  ")):
        chunks = iter([begin, *[_A + behind] * 100])
        stream = split_documents(chunks, frame_bytes_max=100)
        assert [next(stream), next(stream)] == [_A, _A]
        assert len(list(chunks)) > 80


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
