"""Reads the members of zip archives."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import IO, cast

from projector.errors import FileCorrupt, FormatUnreadable
from projector.intake.content import to_text

_CHUNK_BYTES = 256 * 1024

#: The methods whose output is bounded by how much of it is asked for.
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}

#: The flags of a member that is encrypted.
_ENCRYPTED = 0x1 | 0x40 | 0x2000


def unzip(file: IO[bytes], name: str) -> Iterator[bytes]:
    """Yield the content of the files in an archive, one after the other, as UTF-8 text.

    Files that macOS adds are left out. Raise FormatUnreadable before anything is yielded if one of
    the others cannot be read or there is none; FileCorrupt after everything before the damage.
    """
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise FileCorrupt(path=name, reason=error) from None
    with archive:
        members = [each for each in archive.infolist() if not _is_left_out(each)]
        _check(members, name)
        for member in members:
            # Its first bytes show whether it can be read.
            with suppress(FileCorrupt):
                next(_read(archive, member, name), None)
        for member in members:
            yield from _read(archive, member, name)
            # A document does not continue in the next file.
            yield b"\n"


def _is_left_out(member: zipfile.ZipInfo) -> bool:
    path = PurePosixPath(member.filename)
    is_from_macos = "__MACOSX" in path.parts or path.name == ".DS_Store"
    return member.is_dir() or is_from_macos or path.name.startswith("._")


def _check(members: list[zipfile.ZipInfo], name: str) -> None:
    if not members:
        raise FormatUnreadable(path=name, what="a zip archive without a file")
    if any(each.filename == "[Content_Types].xml" for each in members):
        raise FormatUnreadable(path=name, what="an Office document (such as .xlsx)")
    for member in members:
        if member.flag_bits & _ENCRYPTED:
            raise FormatUnreadable(
                path=name, what=f"a zip archive whose file {member.filename!r} is encrypted"
            )
        if member.compress_type not in _METHODS:
            raise FormatUnreadable(
                path=name, what=f"a zip archive whose file {member.filename!r} is not deflated"
            )
    # Files that overlap make an archive of some megabytes unpack to petabytes.
    ends = 0
    for member in sorted(members, key=lambda each: each.header_offset):
        if member.header_offset < ends:
            raise FormatUnreadable(path=name, what="a zip archive whose files overlap")
        ends = member.header_offset + member.compress_size


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Iterator[bytes]:
    return to_text(_chunks(archive, member, name), f"{name} ({member.filename})", packings=())


def _chunks(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Iterator[bytes]:
    try:
        with cast(zipfile.ZipExtFile, archive.open(member)) as file:
            while chunk := file.read1(_CHUNK_BYTES):
                yield chunk
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise FileCorrupt(path=f"{name} ({member.filename})", reason=error) from None
