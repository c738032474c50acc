"""Turns the content of a file or body into UTF-8: unpacks, transcodes, refuses other formats."""

from __future__ import annotations

import codecs
from collections.abc import Collection, Iterable, Iterator

from projector.errors import FileCorrupt, FormatUnreadable, ProjectorError
from projector.intake import formats
from projector.intake.formats import Packing
from projector.intake.unpack import unpack

_NAMES = {
    Packing.GZIP: "a gzip file",
    Packing.BZIP2: "a bzip2 file",
    Packing.XZ: "an xz file",
    Packing.ZIP: "a zip archive",
}


def to_text(
    chunks: Iterable[bytes], name: str, *, packings: Collection[Packing]
) -> Iterator[bytes]:
    """Yield the content as UTF-8 text.

    It may be packed once, by one of `packings`, and be UTF-16 or UTF-32: these become UTF-8, the
    only transcoding that the program does. What is called UTF-8 is not looked at. Raise
    FormatUnreadable for other formats before anything is yielded; FileCorrupt, after everything
    before the damage has been yielded. `name` names the content in these errors.
    """
    head, chunks = peek(chunks)
    packing = formats.packing(head)
    outer = ""
    if packing is not None and packing in packings:
        head, chunks = peek(unpack(chunks, packing, name))
        outer = f" in {_NAMES[packing]}"
        packing = formats.packing(head)
    if what := _NAMES[packing] if packing else formats.unreadable(head):
        raise FormatUnreadable(path=name, what=what + outer)
    charset = formats.charset(head)
    yield from _transcoded(chunks, charset, name) if charset else chunks


def peek(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first bytes of a stream, by which formats are recognised, and the whole stream."""
    rest = iter(chunks)
    head = b""
    error = None
    try:
        while formats.may_be_longer(head) and (chunk := next(rest, None)) is not None:
            head += chunk
    except ProjectorError as broken:
        error = broken
    return head, _rejoined(head, rest, error)


def _rejoined(head: bytes, rest: Iterator[bytes], error: ProjectorError | None) -> Iterator[bytes]:
    if head:
        yield head
    if error is not None:
        raise error
    yield from rest


def _transcoded(chunks: Iterable[bytes], charset: str, name: str) -> Iterator[bytes]:
    # A lone surrogate is kept as one, which UTF-8 cannot have: that document is quarantined, and
    # not the rest of the file.
    decoder = codecs.getincrementaldecoder(charset)("surrogatepass")
    try:
        for chunk in chunks:
            yield decoder.decode(chunk).encode(errors="surrogatepass")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode(charset, "surrogatepass")
        yield before.encode(errors="surrogatepass")
        raise FileCorrupt(path=name, reason=f"{charset}: {error.reason}") from None
