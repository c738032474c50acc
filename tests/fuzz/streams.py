"""What takes streams of bytes apart: the framing, the ends of containers, gzip."""

import gzip
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from projector.errors import FileCorrupt
from projector.intake.documents import _Cutter, _View, split_documents
from projector.intake.files import read_chunks
from projector.server.bulk import _gunzip
from projector.text.jsontext import find_end, is_deeper

#: Deeper than this the framing may give a document up.
_LEVELS_MAX = 900
_LEFT_OUT = re.compile(rb"(?:[ \t\r\n\[\],]|\xef\xbb\xbf)*")
_GOOD = b'{"a":1}'
_ODD_HEADER = re.compile(
    rb"\x1f\x8b\x08[^\x00\x01\x04\x05\x08\x09\x0c\x0d\x10\x11\x14\x15\x18\x19\x1c\x1d]"
)


def cut(data: bytes, chunk_bytes: int) -> Iterator[bytes]:
    """The data in chunks."""
    return (data[at : at + chunk_bytes] for at in range(0, len(data), chunk_bytes))


class _StepByStep(_Cutter):
    """Without the quick way for plain lines, which must make no difference."""

    def _plain_lines(self) -> Iterator[bytes]:
        return iter(())


def framing(data: bytes) -> None:
    """The first byte says how long a frame may be and how the stream is cut; the rest is it."""
    how, stream = data[:1], data[1:]
    size = how[0] if how else 0
    bytes_max = 1 << 20 if size % 2 else 1 + size
    found = list(split_documents([stream], frame_bytes_max=bytes_max))
    # Byte by byte takes long.
    for chunk_bytes in (1 if len(stream) < 600 else 37, 2 + size % 7, 64):
        assert list(split_documents(cut(stream, chunk_bytes), frame_bytes_max=bytes_max)) == found
    assert list(_StepByStep(_View([stream], bytes_max)).frames()) == found
    _check_whole(stream, found, bytes_max)
    if bytes_max > len(stream):
        _check_documents(stream, found)


def _check_whole(stream: bytes, found: list[bytes], bytes_max: int) -> None:
    """Nothing but space and the punctuation of arrays is left out."""
    assert all(0 < len(frame) <= bytes_max for frame in found)
    at = 0
    for frame in found:
        begin = stream.index(frame, at)
        assert _LEFT_OUT.fullmatch(stream, at, begin), stream[at:begin]
        at = begin + len(frame)
    assert _LEFT_OUT.fullmatch(stream, at), stream[at:]


def _check_documents(stream: bytes, found: list[bytes]) -> None:
    """One that is JSON is a frame, or its elements are."""
    document = _read(stream)
    if isinstance(document, dict):
        assert found == [stream.strip(b" \t\r\n")]
        # What comes behind it changes nothing.
        assert list(split_documents([stream, b"\n", _GOOD])) == [*found, _GOOD]
    elif isinstance(document, list):
        assert [_read(frame) for frame in found] == document


def _read(text: bytes) -> object:
    """What JSON says; None for what is none, or is nested very deep."""
    if is_deeper(text.decode("latin-1"), _LEVELS_MAX):
        return None
    try:
        return msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None


def containers(data: bytes) -> None:
    """An object or array ends where a parser ends it, and none that can go on is called broken."""
    if data[:1] not in (b"{", b"["):
        return
    end, opened = find_end(data, 0, len(data), depth_max=_LEVELS_MAX)
    assert 0 < end <= len(data)
    assert bool(opened) == (end == 0 or bool(opened))
    parsed = _parsed_end(data)
    if parsed is None:
        return
    assert (end, opened) == (parsed, [])
    for cut_at in {1, parsed // 2, parsed - 1}:
        if 0 < cut_at < parsed:
            at, opened = find_end(data, 0, cut_at, depth_max=_LEVELS_MAX)
            assert (at, opened[:1]) == (cut_at, [0])


def _parsed_end(data: bytes) -> int | None:
    """Where the standard library's parser ends the container; None if it finds it broken."""
    text = data.decode("latin-1")
    try:
        return json.JSONDecoder(parse_int=str, parse_float=str).raw_decode(text)[1]
    except (ValueError, RecursionError):
        return None


def packed_in(folder: Path) -> Callable[[bytes], None]:
    """Packed bytes: a file, the body of a request and the standard library unpack them alike."""
    path = folder / "packed"

    def packed(data: bytes) -> None:
        data = b"\x1f\x8b" + data
        path.write_bytes(data)
        from_file = _unpacked(read_chunks(str(path)))
        for chunk_bytes in (len(data), 7):
            from_body = _unpacked(_gunzip(cut(data, chunk_bytes)))
            # zlib checks what is reserved in a header, and its sum; Python's gzip does not.
            differ = from_file[1] and not from_body[1] and _ODD_HEADER.search(data)
            assert differ or from_body[1] == from_file[1], (from_body[1], from_file[1])
            if from_body[1]:
                assert from_body[0] == from_file[0]
            else:
                # Each gives out what it can before the break.
                longest = max(from_body[0], from_file[0], key=len)
                assert longest.startswith(from_body[0])
                assert longest.startswith(from_file[0])
        try:
            known: bytes | None = gzip.decompress(data)
        except (EOFError, OSError, zlib.error):
            known = None
        assert (known is not None) == from_file[1]
        assert known is None or known == from_file[0]

    return packed


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
