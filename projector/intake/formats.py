"""Recognises the format of a file or body by its first bytes (magic numbers). PURE."""

from __future__ import annotations

import re
from enum import StrEnum

from projector.intake.layout import MARK

#: The most first bytes that a format is recognised by: those of a tar archive are the last ones.
HEAD_BYTES = 262


class Packing(StrEnum):
    """A packing of files that can be read; the value is its name."""

    GZIP = "gzip"
    BZIP2 = "bzip2"
    XZ = "xz"
    ZIP = "zip"


_PACKINGS = {
    Packing.GZIP: rb"\x1f\x8b",
    Packing.BZIP2: rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)",
    # The older format of the same program has no magic number, but starts like this.
    Packing.XZ: rb"\xfd7zXZ\0|\x5d\0\0[\0-\xff]{2}[\0-\xff]{3}[\0\xff]",
    Packing.ZIP: rb"PK(?:\x03\x04|\x05\x06|\x07\x08)",
}

#: UTF-32 comes first, because its mark begins like that of UTF-16. Without a mark, the first
#: character must be a bracket, and the second one must be Latin, too.
_CHARSETS = {
    "utf-32-le": rb"\xff\xfe\0\0|[{\[]\0\0\0",
    "utf-32-be": rb"\0\0\xfe\xff|\0\0\0[{\[]",
    "utf-16-le": rb"\xff\xfe|[{\[]\0[^\0]\0",
    "utf-16-be": rb"\xfe\xff|\0[{\[]\0[^\0]",
}

_UNREADABLE = {
    "a Zstandard file": rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18",
    "an LZ4 file": rb"\x04\x22\x4d\x18|\x02\x21\x4c\x18",
    "an lzip file": rb"LZIP",
    "an lzop file": rb"\x89LZO\0",
    "a Snappy file": rb"\xff\x06\0\0sNaPpY",
    "a compress (.Z) file": rb"\x1f[\x9d\xa0]",
    "a 7z archive": rb"7z\xbc\xaf\x27\x1c",
    "a RAR archive": rb"Rar!\x1a\x07",
    "a tar archive": rb"[\0-\xff]{257}ustar",
    "a Parquet file": rb"PAR1|PARE",
    "an ORC file": rb"ORC",
    "an Avro file": rb"Obj\x01",
    "an Arrow file": rb"ARROW1|FEA1",
    "an HDF5 file": rb"\x89HDF\r\n\x1a\n",
    "a SQLite database": rb"SQLite format 3\0",
    "a dump of Postgres": rb"PGDMP",
    "a PDF document": rb"%PDF-",
    "an old Office document (such as .xls)": rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    "a picture": rb"\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a|RIFF[\0-\xff]{4}WEBP",
    "a program": rb"\x7fELF|MZ[\0-\xff]\0",
    "an encrypted file": rb"age-encryption\.org/|-----BEGIN PGP |Salted__",
    "a property list": rb"bplist0",
    "a Python pickle": rb"\x80[\x02-\x05][\x95\x8c\]}(\x80-\x8f]",
}


def _compiled(patterns: dict[str, bytes]) -> dict[str, re.Pattern[bytes]]:
    return {name: re.compile(pattern) for name, pattern in patterns.items()}


_MARKS = re.compile(b"(?:%b)++" % MARK)
_PACKING_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _PACKINGS.items()}
_CHARSET_PATTERNS = _compiled(_CHARSETS)
_UNREADABLE_PATTERNS = _compiled(_UNREADABLE)


def may_be_longer(head: bytes) -> bool:
    """Return whether more bytes could show another format; JSON is recognised by four."""
    return len(head) < (4 if head[:1] in (b"{", b"[") else HEAD_BYTES)


def packing(head: bytes) -> Packing | None:
    """Return the packing of a file that begins like this, or None."""
    return next((kind for kind, found in _PACKING_PATTERNS.items() if found.match(head)), None)


def charset(head: bytes) -> str | None:
    """Return the encoding, UTF-16 or UTF-32, of a text that begins like this, or None."""
    return next((name for name, found in _CHARSET_PATTERNS.items() if found.match(head)), None)


def unreadable(head: bytes) -> str | None:
    """Return the name of a format that cannot be read, with its article, or None."""
    return next((name for name, found in _UNREADABLE_PATTERNS.items() if found.match(head)), None)


def text_of(body: bytes) -> bytes:
    """Return a body as UTF-8 without a byte order mark; unchanged if it cannot be decoded."""
    if name := charset(body):
        try:
            body = body.decode(name).encode()
        except UnicodeError:
            return body
    marks = _MARKS.match(body)
    return body[marks.end() :] if marks else body
