"""Documents on one line: each is found, whatever is between them and whatever is broken."""

import json
import time
import tracemalloc
from collections.abc import Iterator

import pytest

from projector.intake.documents import split_documents

_A = b'{"id": "a", "x": {"y": [1, {"z": 2}]}}'
_B = b'{"id": "b", "x": {"y": [], "z": "}{"}}'
_C = b'{"id": "c"}'
_PRETTY = json.dumps({"id": "p", "x": {"y": [1]}}, indent=2).encode()


def _cut(data: bytes, chunk_bytes: int) -> Iterator[bytes]:
    return (data[at : at + chunk_bytes] for at in range(0, len(data), chunk_bytes))


def _split(data: bytes) -> list[bytes]:
    """Return the documents, which are the same however the stream is cut into chunks."""
    whole = list(split_documents([data]))
    for chunk_bytes in (1, 2, 3, 7, 64):
        assert list(split_documents(_cut(data, chunk_bytes))) == whole
    return whole


LEFT_OUT = {
    "nothing": b"",
    "spaces": b"  ",
    "tabs": b"\t",
    "a carriage return": b"\r",
    "a comma": b",",
    "a comma and a space": b", ",
    "a comma at the end of the line": b",\n",
    "a comma at the beginning of the line": b"\n,",
    "several commas": b",,",
    "a byte order mark": b"\xef\xbb\xbf",
    "a record separator": b"\x1e",
    "a record separator and a newline": b"\n\x1e",
    "a form feed": b"\f",
    "a next line": "\x85".encode(),
    "a line separator": "\u2028".encode(),
    "a paragraph separator": "\u2029".encode(),
}
KEPT = {"NUL": b"\0", "several NULs": b"\0\0\0", "a semicolon": b";", "a letter": b"x"}


@pytest.mark.parametrize("between", LEFT_OUT.values(), ids=LEFT_OUT)
def test_separators_between_documents_are_left_out(between: bytes) -> None:
    for documents in ([_A, _B, _C], [_PRETTY, _A, _PRETTY], [_C] * 5):
        assert _split(between.join(documents)) == documents


@pytest.mark.parametrize("between", KEPT.values(), ids=KEPT)
def test_other_text_between_documents_is_a_piece_of_its_own(between: bytes) -> None:
    assert _split(between.join([_A, _B, _C])) == [_A, between, _B, between, _C]


def test_nuls_before_documents_of_many_lines_and_arrays_are_pieces_of_their_own() -> None:
    assert _split(b"\0\0%s\0%s\n\0[%s]" % (_PRETTY, _PRETTY, _A)) == [
        b"\0\0",
        _PRETTY,
        b"\0",
        _PRETTY,
        b"\0",
        _A,
    ]
    utf_16 = _A.decode().encode("utf-16-be")
    assert _split(b"%s\n%s\n%s" % (_B, utf_16, _C)) == [_B, utf_16, _C]


BROKEN = {
    "a wrong bracket": b'{"a": [1}',
    "an open object": b'{"a": 1',
    "an open array": b'{"q": {"z": [1, 2',
    "an open string": b'{"a": "x',
    "text": b"garbage",
    "bytes": b"\xff\xfe",
    "a lone brace": b"}",
    "a lone bracket": b"]",
    "brackets the wrong way round": b"{]}",
    "a word": b'{"a": tru}',
}


@pytest.mark.parametrize("between", [*LEFT_OUT.values(), *KEPT.values()], ids=[*LEFT_OUT, *KEPT])
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_broken_text_leaves_its_neighbours_alone(broken: bytes, between: bytes) -> None:
    found = _split(between.join([_A, broken, _B, _C]))
    assert [each for each in found if each in (_A, _B, _C)] == [_A, _B, _C]
    assert broken in b"".join(found)
    found = _split(between.join([_A, broken, broken, _B, broken]))
    assert [each for each in found if each in (_A, _B)] == [_A, _B]


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_broken_text_at_the_beginning_of_a_line_leaves_the_rest_of_the_line_alone(
    broken: bytes,
) -> None:
    assert _split(b"%s%s%s\n%s" % (broken, _A, _B, _C)) == [broken, _A, _B, _C]


@pytest.mark.parametrize("between", [b"", b" ", b",", b"\0", b"\x1e", b"\xef\xbb\xbf"])
def test_a_document_that_was_cut_off_leaves_its_neighbours_alone(between: bytes) -> None:
    """Unless it was cut off where the next one may be its value."""
    for at in range(1, len(_A)):
        cut_off = _A[:at]
        found = _split(between.join([_C, cut_off, _B, _C]))
        may_be_value = not between.strip() and cut_off.rstrip().endswith((b":", b"[", b"[1,"))
        expected = [_C, _C] if may_be_value else [_C, _B, _C]
        assert [each for each in found if each in (_B, _C)] == expected, cut_off


def test_the_parts_of_a_document_that_was_cut_off_are_no_documents() -> None:
    for broken in (
        b'{"object": "list", "data": [{"id": "x"}, {"id": "y"}, {"id": "z',
        b'{"data": {"customer": {"id": "x"}, "segment": {"id": "y"}}, "type": "t',
        b'{"a" {"id": "x"}}',
        b'{"a": 1, {"id": "x"}}',
        b'"data": {"customer": {"id": "x"}}}',
    ):
        assert _split(b"%s\n%s\n%s" % (_A, broken, _B)) == [_A, broken, _B]


def test_a_broken_element_on_the_line_of_an_array_leaves_the_others_alone() -> None:
    for broken in (b'{"a": [1}', b'{"a": "x', b"oh no", b'{"q": {"z": 1'):
        found = _split(b"[%s, %s, %s, %s]\n%s" % (_A, broken, _B, _C, _A))
        assert found == [_A, broken + b",", _B, _C, _A]


def test_texts_in_a_sequence_are_found_also_behind_one_that_was_cut_off() -> None:
    """As RFC 7464 has it: a record separator before each text, a newline behind it."""
    for cut_off in (b'{"a": "x', b'{"a":', b'{"a": [1,', b"[1"):
        for end in (b"", b"\n"):
            data = b"\x1e%s\n\x1e%s%s\x1e%s\n\x1e%s\n" % (_A, cut_off, end, _B, _PRETTY)
            found = _split(data)
            assert [each for each in found if each in (_A, _B, _PRETTY)] == [_A, _B, _PRETTY]


def test_lines_that_end_with_a_carriage_return_alone_are_lines() -> None:
    assert _split(b"%s\r%s\rgarbage\r%s\r%s\r" % (_A, _B, _C, _A)) == [
        _A,
        _B,
        b"garbage",
        _C,
        _A,
    ]
    old = _PRETTY.replace(b"\n", b"\r")
    assert _split(b"%s\r%s\r" % (old, old)) == [old, old]


_KILOBYTE = b'{"id": "%s", "x": {"y": [{"z": 1}, {"z": 2}]}}' % (b"x" * 950)
LONG = {
    "nothing between": [_KILOBYTE] * 2_000,
    "the smallest": [b"{}"] * 200_000,
    "each tenth cut off": [_KILOBYTE[: -3 if n % 10 == 5 else None] for n in range(2_000)],
    "each tenth cut off in a string": [
        _KILOBYTE[: 500 if n % 10 == 5 else None] for n in range(2_000)
    ],
    "each tenth text": [b"x" if n % 10 == 5 else _KILOBYTE for n in range(2_000)],
}


@pytest.mark.parametrize("between", [b"", b",", b"\0"], ids=["nothing", "comma", "NUL"])
@pytest.mark.parametrize("documents", LONG.values(), ids=LONG)
def test_a_line_of_many_megabytes_takes_linear_time_and_little_memory(
    documents: list[bytes], between: bytes
) -> None:
    """A second at most: from each document to the end of the line would take minutes."""
    data = between.join(documents)
    began = time.process_time()
    found = 0
    for document in split_documents(_cut(data, 256 * 1024), document_bytes_max=16 << 20):
        found += document == documents[0]
    assert time.process_time() - began < 15
    assert found == documents.count(documents[0])


def test_a_line_of_documents_takes_no_more_memory_than_a_chunk() -> None:
    chunks = (_KILOBYTE * 256 for _ in range(50))
    tracemalloc.start()
    try:
        assert sum(1 for _ in split_documents(chunks)) == 50 * 256
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2_000_000
