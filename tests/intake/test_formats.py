"""Content is recognised by its first bytes: unpacked, transcoded, or refused with its name."""

import bz2
import gzip
import lzma
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator

import pytest

from projector.errors import FileCorrupt, FormatUnreadable
from projector.intake.content import to_text
from projector.intake.formats import Packing

_TEXT = '{"a": "é😀"}\n{"b": [1]}\n'
_BYTES = _TEXT.encode()


def _cut(data: bytes, chunk_bytes: int) -> Iterator[bytes]:
    return (data[at : at + chunk_bytes] for at in range(0, len(data), chunk_bytes))


def _read(data: bytes) -> bytes:
    """Return the text, which is the same however the content is cut into chunks."""
    [whole, *others] = [
        b"".join(to_text(_cut(data, chunk_bytes), "it", packings=frozenset(Packing)))
        for chunk_bytes in (len(data) or 1, 1, 3, 100)
    ]
    assert others == [whole] * 3
    return whole


def _read_until_error(data: bytes) -> tuple[bytes, str]:
    """Return the text before the damage, and the message."""
    parts = []
    try:
        for part in to_text(_cut(data, 7), "it", packings=frozenset(Packing)):
            parts.append(part)
    except FileCorrupt as error:
        return b"".join(parts), str(error)
    raise AssertionError("it was not damaged")


def _old_xz(data: bytes) -> bytes:
    return lzma.compress(data, format=lzma.FORMAT_ALONE)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "lzma": _old_xz,
}


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_packed_content_is_unpacked(pack: Callable[[bytes], bytes]) -> None:
    for text in (_BYTES, b"", b"x", bytes(100_000)):
        assert _read(pack(text)) == text


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_several_members_are_one_text(pack: Callable[[bytes], bytes]) -> None:
    for at in (0, 5, len(_BYTES)):
        members = [pack(_BYTES[:at]), pack(_BYTES[at:]), pack(b"")]
        assert _read(b"".join(members)) == _BYTES
        assert _read(bytes(8).join(members) + bytes(12)) == _BYTES


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_the_text_before_a_damage_is_read_and_the_damage_reported(
    pack: Callable[[bytes], bytes],
) -> None:
    whole = pack(_BYTES)
    for behind in (b'{"c": 3}\n', b"\0x", whole[:-1], whole[: len(whole) // 2]):
        text, message = _read_until_error(whole + behind)
        assert text.startswith(_BYTES)
        assert "it is corrupt or truncated" in message
    assert "truncated" in _read_until_error(whole[: len(whole) // 2])[1]


@pytest.mark.parametrize("charset", ["utf-16", "utf-16-be", "utf-16-le", "utf-32", "utf-32-be"])
def test_utf_16_and_utf_32_become_utf_8(charset: str) -> None:
    for text in (_TEXT, "[1]", "\ufeff" + _TEXT):
        assert _read(text.encode(charset)).removeprefix(b"\xef\xbb\xbf") in (
            text.encode(),
            text.removeprefix("\ufeff").encode(),
        )
    assert _read(gzip.compress(_TEXT.encode(charset))).endswith(_BYTES)


def test_half_a_character_at_the_end_is_damage_and_one_within_is_kept() -> None:
    text, message = _read_until_error(_TEXT.encode("utf-16") + b"x")
    assert text.endswith(_BYTES)
    assert "it is corrupt or truncated" in message
    text, _ = _read_until_error(_TEXT.encode("utf-32") + b"\xff" * 8)
    assert text.endswith(_BYTES)
    broken = '\ufeff{"a": "\ud800"}'.encode("utf-16-le", "surrogatepass")
    assert _read(broken) == b'\xef\xbb\xbf{"a": "\xed\xa0\x80"}'


UNREADABLE = {
    "a Zstandard file": b"\x28\xb5\x2f\xfd\x04\x00",
    "an LZ4 file": b"\x04\x22\x4d\x18\x64",
    "a 7z archive": b"7z\xbc\xaf\x27\x1c\x00\x04",
    "a RAR archive": b"Rar!\x1a\x07\x01\x00",
    "a tar archive": b"deliveries.ndjson".ljust(257, b"\0") + b"ustar\x0000",
    "a Parquet file": b"PAR1\x15\x04",
    "an ORC file": b"ORC\x08",
    "an Avro file": b"Obj\x01\x04",
    "an Arrow file": b"ARROW1\0\0",
    "a SQLite database": b"SQLite format 3\0\x10\0",
    "a PDF document": b"%PDF-1.7\n",
    "an old Office document (such as .xls)": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "a picture": b"\x89PNG\r\n\x1a\n",
    "a program": b"\x7fELF\x02",
    "a Python pickle": b"\x80\x04\x95\x10",
}


@pytest.mark.parametrize(("what", "head"), UNREADABLE.items(), ids=UNREADABLE)
def test_other_formats_are_refused_by_name(what: str, head: bytes) -> None:
    rest = b"\n".join([b'{"a": 1}'] * 100)
    for data in (head, head + rest):
        with pytest.raises(FormatUnreadable, match="cannot be read") as raised:
            _read(data)
        assert f"it is {what}, " in str(raised.value)
        with pytest.raises(FormatUnreadable) as raised:
            _read(gzip.compress(data))
        assert f"it is {what} in a gzip file, " in str(raised.value)


def test_what_is_packed_twice_is_refused() -> None:
    for pack in PACKERS.values():
        with pytest.raises(FormatUnreadable, match="in a gzip file"):
            _read(gzip.compress(pack(_BYTES)))


PLAIN = {
    "nothing": b"",
    "a bracket": b"{",
    "a mark": b"\xef\xbb\xbf",
    "half a mark": b"\xff",
    "text": b"PK, ORCA? BZh9, PDF, 7z",
    "an array": b"[1]",
    "NULs": bytes(300),
    "NULs before a document": b'\0{"a": 1}',
    "a byte": b"\x1f",
}


@pytest.mark.parametrize("data", PLAIN.values(), ids=PLAIN)
def test_all_other_content_comes_as_it_is(data: bytes) -> None:
    if not data.startswith(b"PK, ORC"):
        assert _read(data) == data
    assert _read(b" " + data) == b" " + data


def test_json_is_recognised_before_more_than_its_beginning_has_come() -> None:
    chunks = iter([b'{"a"', b": 1}\n", b"more"])
    assert next(to_text(chunks, "it", packings=())) == b'{"a"'
    assert [*chunks] == [b": 1}\n", b"more"]


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_a_bomb_is_unpacked_in_small_pieces(pack: Callable[[bytes], bytes]) -> None:
    data = pack(bytes(30_000_000))
    tracemalloc.start()
    try:
        sizes = [len(part) for part in to_text([data], "it", packings=frozenset(Packing))]
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(sizes) == 30_000_000
    # xz has a window of 8 MB.
    assert peak_bytes < 12_000_000


def test_a_hundred_thousand_empty_members_take_linear_time() -> None:
    packer = zlib.compressobj(wbits=31)
    empty = packer.flush()
    began = time.process_time()
    assert b"".join(to_text([empty * 100_000], "it", packings=[Packing.GZIP])) == b""
    assert time.process_time() - began < 10
