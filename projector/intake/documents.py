"""Splits a stream of bytes into its JSON documents, whatever their layout and separators. PURE.

One document per line, several on one line, documents of many lines, arrays of documents, all of
them mixed. Text that is not a document is yielded as well; the parser quarantines it.

A document begins with `{`, or is an element of a top-level array, and ends where its brackets are
balanced. It is broken if they are not balanced before the end of the stream or before a newline
that JSON cannot contain, because neither side of it is punctuation. A document is broken, too, if
its line ends with `}` and holds only broken text behind it (`{}}`).

Broken text extends to the next document on its line: an object with a key that does not follow `[`,
`:` or, outside of arrays, `,`, because there it may be a part of the broken one. Without such a
document, broken text extends to the end of its line. If it begins with `{` and its line does not
end with `}`, it also includes the following lines that are indented deeper, and the bracket behind
them that closes it. So an indented document is one piece, broken or not, and those behind it are
found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from projector.intake import layout
from projector.intake.lookahead import Lookahead
from projector.intake.valid_json import TRUNCATED, valid_objects, valid_size

_BRACE = ord("{")
_CLOSERS = {b"{": b"}", b"[": b"]"}
_SPACE = b" \t\r\n"


def split_documents(
    chunks: Iterable[bytes], *, document_bytes_max: int = 16 << 20
) -> Iterator[bytes]:
    """Yield each document as it came, byte for byte, and each piece of broken text; never raise.

    How `chunks` cuts the stream makes no difference. Left out are whitespace (Unicode's line ends
    included), byte order marks and record separators between documents, commas behind documents,
    and the brackets and commas of top-level arrays; every other byte is in one document. Text that
    does not end within `document_bytes_max` (≥ 1) comes in such pieces. Memory: about four times
    that, and two chunks.
    """
    return _Splitter(Lookahead(chunks, document_bytes_max)).documents()


class _Splitter:
    """The layout at the position where a stream is split next."""

    def __init__(self, stream: Lookahead) -> None:
        self._stream = stream
        self._at_line_start = True
        #: The indentation of the line.
        self._indent = 0
        self._in_array = False
        #: In an array: after its bracket or a comma.
        self._expects_element = False
        self._is_behind_document = False
        #: Whether commas separate documents on this line, without an array.
        self._has_commas = False
        #: The extent of the broken text of which a piece was taken.
        self._broken: re.Pattern[bytes] | None = None
        #: The end of text that was searched for the end of a document in vain. Before it, documents
        #: are sought on single lines only: else broken text in broken text took quadratic time.
        self._broken_until = 0
        #: The end of a line with broken text. Before it, only valid JSON is a document, so that the
        #: search ends where another document begins: else it took quadratic time.
        self._strict_until = 0

    def documents(self) -> Iterator[bytes]:
        while self._broken or self._skip_gap():
            if (
                not self._broken
                and not self._in_array
                and self._stream.data[self._stream.at] == _BRACE
            ):
                yield from self._valid_documents()
            elif document := self._step():
                yield document

    def _skip_gap(self) -> bool:
        """Skip the text between documents; return False at the end of the stream."""
        stream = self._stream
        is_last = False
        while not is_last:
            # Fewer bytes could be the beginning of a byte order mark.
            is_last = not stream.read(len(layout.MARK))
            pattern = layout.GAP_IN_ARRAY if self._in_array else layout.GAP
            if found := pattern.match(stream.data, stream.at):
                stream.at = found.end()
                gap = found[0].replace(layout.MARK, b"")
                line_begin = gap.rfind(b"\n") + 1
                if line_begin:
                    self._at_line_start, self._indent, self._has_commas = True, 0, False
                if self._at_line_start:
                    self._indent += len(gap) - line_begin
                self._expects_element = self._expects_element or b"," in gap
            if len(stream.data) - stream.at >= len(layout.MARK):
                return True
        return stream.at < len(stream.data)

    def _valid_documents(self) -> Iterator[bytes]:
        """Yield the next documents while they are valid JSON; if there is none, take a step.

        For speed alone: steps would return the same.
        """
        stream = self._stream
        for begin, end, is_last in stream.windows():
            newline = stream.newline(begin, end)
            last_end = yield from valid_objects(stream.data, begin, newline, end)
            if last_end > begin:
                self._has_commas = self._has_commas and last_end <= newline
                self._take(last_end - begin)
                self._is_behind_document = True
                return
            if is_last or newline < end:
                break
            size = valid_size(memoryview(stream.data)[begin:end])
            if size == end - begin and not stream.read(size + 1):
                # The stream ends with a document.
                yield self._take(len(stream.data.rstrip(_SPACE)) - stream.at)
                self._is_behind_document = True
                return
            if size != TRUNCATED:
                break
        if document := self._step():
            yield document

    def _step(self) -> bytes:
        """Take a document or a piece of broken text; or a bracket or commas, and return nothing."""
        stream = self._stream
        if self._broken:
            return self._give_up(self._broken)
        byte = stream.data[stream.at : stream.at + 1]
        closes_array = byte == b"]" and self._in_array
        may_open_array = byte == b"[" and not self._expects_element
        if closes_array or (may_open_array and stream.match(layout.ARRAY)):
            self._take(1)
            self._in_array = self._expects_element = not closes_array
            return b""
        if byte == b"," and (size := self._commas_size()):
            self._take(size)
            self._has_commas = True
            return b""
        if size := self._document_size(byte):
            document = self._take(size)
            self._is_behind_document = True
            return document
        if nuls := stream.match(layout.NULS):
            return self._take(len(nuls[1])).strip(_SPACE)
        is_object = byte == b"{"
        return self._give_up(
            layout.line_and_deeper_ones(self._indent) if is_object else layout.LINE
        )

    def _commas_size(self) -> int:
        """Return the size of the commas that separate documents; 0 for others."""
        found = self._stream.match(layout.COMMAS)
        is_at_line_end = self._is_behind_document and not self._at_line_start
        return len(found[1]) if found and (found[2] is None or is_at_line_end) else 0

    def _take(self, size: int) -> bytes:
        self._at_line_start = self._expects_element = False
        self._is_behind_document = False
        return self._stream.take(size)

    def _document_size(self, first_byte: bytes) -> int:
        """Return the size of the document that comes next; 0 for broken text."""
        stream = self._stream
        begin = stream.data_begins + stream.at
        if first_byte == b"{" and begin < self._strict_until:
            end = self._strict_until - stream.data_begins
            size = valid_size(memoryview(stream.data)[stream.at : end])
            size = len(stream.data[stream.at : stream.at + max(0, size)].rstrip(_SPACE))
            return size if size and (self._in_array or self._is_end(size)) else 0
        if first_byte == b"{" or (first_byte == b"[" and self._in_array):
            size, is_balanced = self._container_size(_CLOSERS[first_byte])
            if is_balanced and not self._overlaps(size) and (self._in_array or self._is_end(size)):
                return size
            self._broken_until = max(self._broken_until, begin + size)
        elif self._in_array and (scalar := stream.match(layout.SCALAR_ELEMENT)):
            return len(scalar[1])
        return 0

    def _overlaps(self, size: int) -> bool:
        """Return whether another document begins before that end, and ends behind it.

        Brackets may look balanced because a string was cut off: then what follows is read the
        wrong way round.
        """
        stream = self._stream
        text = memoryview(stream.data)[stream.at : stream.at + size]
        if valid_size(text) == size:
            return False
        begin, other_size = self._next_on_line(0)
        while begin > 0 and begin + other_size <= size:
            begin, other_size = self._next_on_line(0, begin + other_size)
        return 0 < begin < size

    def _is_end(self, size: int) -> bool:
        """Return whether the text behind an object admits that a document ends there."""
        return bool(
            not self._at_line_start
            or self._stream.match(layout.DOCUMENT_END, size)
            or self._next_on_line(size)[0]
            or self._stream.match(layout.NO_BRACE_AT_END, size)
        )

    def _container_size(self, closer: bytes) -> tuple[int, bool]:
        """Return how far an object or array extends, and whether its brackets are balanced."""
        stream = self._stream
        one_line = stream.data_begins + stream.at < self._broken_until
        size = 0
        for begin, end, is_last in stream.windows():
            if one_line and (newline := stream.data.find(b"\n", begin, end)) >= 0:
                end, is_last = newline, True
            at, depth = begin, 0
            while found := layout.BRACKET.match(stream.data, at, end):
                depth += 1 if stream.data[at] in b"{[" else -1
                if not 0 < depth <= layout.DEPTH_MAX:
                    is_balanced = depth == 0 and stream.data[at : at + 1] == closer
                    return at + 1 - begin, is_balanced
                at = found.end()
            size = at - begin
            if is_last or layout.SETTLED.match(stream.data, at, end):
                break
        return size, False

    def _next_on_line(self, ahead: int, begin: int = 0) -> tuple[int, int]:
        """Return the distance to the next document in broken text on the line, and its size.

        The broken text begins `ahead`, and the document not before `begin`. Both are 0 if there is
        none.
        """
        stream = self._stream
        end = self._line_end(ahead)
        found, size = layout.next_document(
            stream.data,
            stream.at + ahead,
            stream.at + max(ahead + 1, begin),
            end,
            after_comma=self._in_array or self._has_commas,
        )
        return (found - stream.at, size) if size else (0, 0)

    def _line_end(self, ahead: int) -> int:
        """Return the position in the data where the line ends, or the part of it that is read."""
        stream = self._stream
        for begin, end, is_last in stream.windows(ahead):
            newline = stream.newline(begin, end)
            if newline < end or is_last:
                break
        return newline

    def _give_up(self, pattern: re.Pattern[bytes]) -> bytes:
        """Take broken text as far as the pattern matches, or the longest piece of it."""
        stream = self._stream
        is_on_first_line = self._broken in (None, layout.LINE)
        if is_on_first_line and (size := self._next_on_line(0)[0]):
            self._broken = None
            self._strict_until = stream.data_begins + self._line_end(0)
            return self._take(size).strip(_SPACE)
        size, is_whole = 0, True
        for begin, end, is_last in stream.windows():
            found = pattern.match(stream.data, begin, end)
            size = found.end() - begin if found else 0
            # Text behind it shows that it ends there, and so does the end of the stream.
            is_whole = layout.TEXT.search(stream.data, begin + size, end) is not None
            if is_whole or is_last:
                is_whole = is_whole or size == 0 or end - begin < stream.bytes_max
                break
        self._broken = None if is_whole else pattern
        return self._take(size).strip(_SPACE)
