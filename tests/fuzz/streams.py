"""Targets that take streams of bytes apart: documents, the ends of containers, gzip."""

import gzip
import json
import re
import zlib
from collections.abc import Iterable, Iterator

import msgspec

from projector.errors import FileCorrupt
from projector.intake.documents import _Splitter, split_documents
from projector.intake.formats import Packing
from projector.intake.lookahead import Lookahead
from projector.intake.unpack import unpack
from projector.text.jsontext import is_deeper

#: A document that is nested deeper may be broken text.
_LEVELS_MAX = 900
_LEFT_OUT = re.compile(rb"(?:[ \t\r\n\f\x1e\[\],]|\xef\xbb\xbf|\xc2\x85|\xe2\x80[\xa8\xa9])*")
_GOOD = b'{"a":1}'
_ODD_HEADER = re.compile(
    rb"\x1f\x8b\x08[^\x00\x01\x04\x05\x08\x09\x0c\x0d\x10\x11\x14\x15\x18\x19\x1c\x1d]"
)


def cut(data: bytes, chunk_bytes: int) -> Iterator[bytes]:
    """The data in chunks."""
    return (data[at : at + chunk_bytes] for at in range(0, len(data), chunk_bytes))


class _StepByStep(_Splitter):
    """Works without the quick way for valid documents, which must make no difference."""

    def _valid_documents(self) -> Iterator[bytes]:
        if document := self._step():
            yield document


def documents(data: bytes) -> None:
    """The first byte chooses `document_bytes_max` and the chunks; the rest is the stream."""
    how, stream = data[:1], data[1:]
    size = how[0] if how else 0
    bytes_max = 1 << 20 if size % 2 else 1 + size
    found = list(split_documents([stream], document_bytes_max=bytes_max))
    # Byte by byte takes long.
    for chunk_bytes in (1 if len(stream) < 600 else 37, 2 + size % 7, 64):
        chunks = cut(stream, chunk_bytes)
        assert list(split_documents(chunks, document_bytes_max=bytes_max)) == found
    assert list(_StepByStep(Lookahead([stream], bytes_max)).documents()) == found
    _check_whole(stream, found, bytes_max)
    if bytes_max > len(stream):
        _check_documents(stream, found)


def _check_whole(stream: bytes, found: list[bytes], bytes_max: int) -> None:
    """Nothing but space, separators and the punctuation of arrays is left out."""
    assert all(0 < len(document) <= bytes_max for document in found)
    at = 0
    for document in found:
        begin = stream.index(document, at)
        assert _LEFT_OUT.fullmatch(stream, at, begin), stream[at:begin]
        at = begin + len(document)
    assert _LEFT_OUT.fullmatch(stream, at), stream[at:]


def _check_documents(stream: bytes, found: list[bytes]) -> None:
    """JSON is one document, or each of its elements is."""
    document = _read(stream)
    if isinstance(document, dict):
        assert found == [stream.strip(b" \t\r\n")]
        # What comes behind it changes nothing.
        assert list(split_documents([stream, b"\n", _GOOD])) == [*found, _GOOD]
    elif isinstance(document, list):
        assert [_read(element) for element in found] == document


def _read(text: bytes) -> object:
    """What JSON says; None for what is none, or is nested very deep."""
    if is_deeper(text.decode("latin-1"), _LEVELS_MAX):
        return None
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None


def containers(data: bytes) -> None:
    """An object or array ends where a parser ends it, whatever comes behind it."""
    if data[:1] not in (b"{", b"["):
        return
    end = _parsed_end(data)
    if end is None or is_deeper(data[:end].decode("latin-1"), _LEVELS_MAX):
        return
    container = data[:end]
    assert list(split_documents([b"[", container, b"]", _GOOD])) == [container, _GOOD]
    assert list(split_documents([b"[", container, b",", _GOOD])) == [container, _GOOD]
    if data[:1] == b"{":
        for between in (b"", b" ", b"\n"):
            stream = between.join([container, container, _GOOD, container])
            assert list(split_documents([stream])) == [container, container, _GOOD, container]
        cut_off = b'{"a"'
        stream = b"\n".join([cut_off, container, _GOOD])
        assert list(split_documents([stream])) == [cut_off, container, _GOOD]


def _parsed_end(data: bytes) -> int | None:
    """Where the standard library's parser ends the container; None if it finds it broken."""
    text = data.decode("latin-1")
    try:
        return json.JSONDecoder(parse_int=str, parse_float=str).raw_decode(text)[1]
    except (ValueError, RecursionError):
        return None


def packed(data: bytes) -> None:
    """Packed bytes: the standard library unpacks them alike, however they are cut into chunks."""
    data = b"\x1f\x8b" + data
    found = [
        _unpacked(unpack(cut(data, chunk_bytes), Packing.GZIP, "it"))
        for chunk_bytes in (len(data), 7)
    ]
    assert found[0][1] == found[1][1]
    # Each gives out what it can before the break.
    longest = max(found[0][0], found[1][0], key=len)
    assert all(longest.startswith(each) for each, _ in found)
    unpacked, is_whole = found[0]
    try:
        known: bytes | None = gzip.decompress(data)
    except (EOFError, OSError, zlib.error):
        known = None
    if is_whole:
        assert found[1][0] == unpacked == known
    else:
        # zlib checks what is reserved in a header, and its sum; Python's gzip does not.
        assert known is None or _ODD_HEADER.search(data)


def _unpacked(chunks: Iterable[bytes]) -> tuple[bytes, bool]:
    """What comes out, and whether it ended well."""
    parts: list[bytes] = []
    try:
        for chunk in chunks:
            assert 0 < len(chunk) <= 256 * 1024
            parts.append(chunk)
    except FileCorrupt:
        return b"".join(parts), False
    return b"".join(parts), True
