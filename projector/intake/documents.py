"""Splits a stream of bytes into its JSON documents, whatever their layout. PURE.

One document per line, several on one line, documents of many lines, arrays of documents, all of
them mixed. Text that is not a document is yielded as well; the parser quarantines it.

A document begins with `{`, or is an element of a top-level array, and ends where its brackets are
balanced. It is broken if they are not balanced before the end of the stream or before a newline
that JSON cannot contain, because neither side of it is punctuation. A line that begins with `{` and
ends with `}` is broken as a whole if it contains anything else than documents.

Broken text extends to the end of its line. If it begins with `{` and its line does not end with
`}`, it also includes the following lines that are indented deeper, and the bracket behind them that
closes it. So an indented document is one piece, broken or not, and those behind it are found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from projector.intake.lookahead import Lookahead

#: Deeper text is broken. The parser reads fewer levels.
_DEPTH_MAX = 1000

_BRACE = ord("{")
_CLOSERS = {b"{": b"}", b"[": b"]"}
_SPACE = b" \t\r\n"
_MARK = b"\xef\xbb\xbf"

# Every repetition is possessive, so that a search takes one pass and no memory; a repeated group is
# atomic, because Python before 3.11.5 does not step back from half a repetition.
_BLANKS = rb"[ \t\r]*+"
_STRING = rb'"[^"\\\n]*+(?>\\.[^"\\\n]*+)*+"'
_SCALAR = rb"(?>%b|-?\d[\d.eE+-]*+|true|false|null)" % _STRING

_TEXT = re.compile(rb"[^ \t\r\n]")
_GAP = re.compile(rb"(?>[ \t\r\n]|\xef\xbb\xbf)*+")
_GAP_IN_ARRAY = re.compile(rb"(?>[ \t\r\n,]|\xef\xbb\xbf)*+")
#: A bracket, and the JSON between it and the next one.
_BRACKET = re.compile(
    rb"(?>\{[ \t\r\n]*+(?=[\"}]|\Z)|\[[ \t\r\n]*+|[}\]])"
    rb'(?>%b|[,:][ \t\r\n]*+|[^"{}\[\],:\n]++|\n[ \t\r\n]*+(?=[,:}\]]))*+' % _STRING
)
#: A newline or an open string whose meaning the rest of the stream cannot change.
_SETTLED = re.compile(rb"[ \t\r\n]++[^ \t\r\n]|[^\n]++\n")
#: The rest of a line as far as a `}` at its end.
_TO_BRACE = rb"(?>[^\n}]++|\}(?!%b(?>\n|\Z)))*+" % _BLANKS
#: The text that may follow a document on its line.
_BEHIND = re.compile(rb"%b[{\[]|%b(?!\})" % (_BLANKS, _TO_BRACE))
_SCALAR_ELEMENT = re.compile(rb"(%b)%b(?>[,\]\n]|\Z)" % (_SCALAR, _BLANKS))
#: The beginning of an array, but not of a log message such as `[INFO] started`.
_ARRAY = re.compile(rb"\[%b(?>[{\[\]\n]|\Z|%b)" % (_BLANKS, _SCALAR_ELEMENT.pattern))
#: The end of a document and the beginning of the next one.
_BOUNDARY = re.compile(rb"\}[ \t\r\n]*+[{\[]")
#: A line before the first boundary.
_PLAIN_LINE = re.compile(rb"\{(?>[^\n}]++|(?!%b)\})*+\}%b\n" % (_BOUNDARY.pattern, _BLANKS))
_LINE = re.compile(rb"[^\n]*+")
#: A line as far as a `}` at its end; without one, with the lines that are indented deeper.
_LINE_AND_DEEPER_ONES = (
    _TO_BRACE + rb"(?>\}|(?>\n(?>[ \t]{%d}[^\n]*+|[ \t\r]*+(?=\n)))*+(?>\n[ \t]{%d}\})?+)"
)


def split_documents(
    chunks: Iterable[bytes], *, document_bytes_max: int = 16 << 20
) -> Iterator[bytes]:
    """Yield each document as it came, byte for byte, and each piece of broken text; never raise.

    How `chunks` cuts the stream makes no difference. Left out are whitespace, byte order marks, and
    the brackets and commas of top-level arrays; every other byte is in one document. Text that does
    not end within `document_bytes_max` (≥ 1) comes in such pieces. Memory: about four times that,
    and two chunks.
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
        #: The extent of the broken text of which a piece was taken.
        self._broken: re.Pattern[bytes] | None = None
        #: The end of text that was searched for the end of a document in vain. Before it, documents
        #: are sought on single lines only: else broken text in broken text took quadratic time.
        self._broken_until = 0

    def documents(self) -> Iterator[bytes]:
        while self._broken or self._skip_gap():
            may_be_plain = self._at_line_start and not self._in_array
            if may_be_plain and self._stream.match(_PLAIN_LINE):
                yield from self._plain_lines()
            elif document := self._step():
                yield document

    def _skip_gap(self) -> bool:
        """Skip the text between documents; return False at the end of the stream."""
        stream = self._stream
        is_last = False
        while not is_last:
            # Fewer bytes could be the beginning of a byte order mark.
            is_last = not stream.read(len(_MARK))
            pattern = _GAP_IN_ARRAY if self._in_array else _GAP
            if found := pattern.match(stream.data, stream.at):
                stream.at = found.end()
                gap = found[0].replace(_MARK, b"")
                line_begin = gap.rfind(b"\n") + 1
                if line_begin:
                    self._at_line_start, self._indent = True, 0
                if self._at_line_start:
                    self._indent += len(gap) - line_begin
                self._expects_element = self._expects_element or b"," in gap
            if len(stream.data) - stream.at >= len(_MARK):
                return True
        return stream.at < len(stream.data)

    def _plain_lines(self) -> Iterator[bytes]:
        """Yield the next lines, as long as they are evidently documents: `{`…`}` before a bracket.

        For speed alone: `_step` would return the same. The first one was found to be like that.
        """
        data, at = self._stream.data, self._stream.at
        last_end = at
        for boundary in _BOUNDARY.finditer(data, at, at + self._stream.bytes_max):
            begin, end = boundary.span()
            if data.find(b"\n", at, end) < begin:
                break
            last_end = begin + 1
            yield data[at:last_end]
            at = end - 1
            if data[at] != _BRACE:
                break
        self._stream.at = last_end

    def _step(self) -> bytes:
        """Take a document or a piece of broken text; or a bracket, and return nothing."""
        if self._broken:
            return self._give_up(self._broken)
        byte = self._stream.data[self._stream.at : self._stream.at + 1]
        closes_array = byte == b"]" and self._in_array
        may_open_array = byte == b"[" and not self._expects_element
        if closes_array or (may_open_array and self._stream.match(_ARRAY)):
            self._take(1)
            self._in_array = self._expects_element = not closes_array
            return b""
        if size := self._document_size(byte):
            return self._take(size)
        if byte != b"{":
            return self._give_up(_LINE)
        indents = (self._indent + 1, self._indent)
        return self._give_up(re.compile(_LINE_AND_DEEPER_ONES % indents))

    def _take(self, size: int) -> bytes:
        self._at_line_start = self._expects_element = False
        return self._stream.take(size)

    def _document_size(self, first_byte: bytes) -> int:
        """Return the size of the document that comes next; 0 for broken text."""
        if first_byte == b"{" or (first_byte == b"[" and self._in_array):
            size, is_balanced = self._container_size(_CLOSERS[first_byte])
            if is_balanced and (self._in_array or self._stream.match(_BEHIND, size)):
                return size
            begin = self._stream.data_begins + self._stream.at
            self._broken_until = max(self._broken_until, begin + size)
        elif self._in_array and (scalar := self._stream.match(_SCALAR_ELEMENT)):
            return len(scalar[1])
        return 0

    def _container_size(self, closer: bytes) -> tuple[int, bool]:
        """Return how far an object or array extends, and whether its brackets are balanced."""
        stream = self._stream
        one_line = stream.data_begins + stream.at < self._broken_until
        size = 0
        for begin, end, is_last in stream.windows():
            if one_line and (newline := stream.data.find(b"\n", begin, end)) >= 0:
                end, is_last = newline, True
            at, depth = begin, 0
            while found := _BRACKET.match(stream.data, at, end):
                depth += 1 if stream.data[at] in b"{[" else -1
                if not 0 < depth <= _DEPTH_MAX:
                    is_balanced = depth == 0 and stream.data[at : at + 1] == closer
                    return at + 1 - begin, is_balanced
                at = found.end()
            size = at - begin
            if is_last or _SETTLED.match(stream.data, at, end):
                break
        return size, False

    def _give_up(self, pattern: re.Pattern[bytes]) -> bytes:
        """Take broken text as far as the pattern matches, or the longest piece of it."""
        stream = self._stream
        size, is_whole = 0, True
        for begin, end, is_last in stream.windows():
            found = pattern.match(stream.data, begin, end)
            size = found.end() - begin if found else 0
            # Text behind it shows that it ends there, and so does the end of the stream.
            is_whole = _TEXT.search(stream.data, begin + size, end) is not None
            if is_whole or is_last:
                is_whole = is_whole or size == 0 or end - begin < stream.bytes_max
                break
        self._broken = None if is_whole else pattern
        return self._take(size).strip(_SPACE)
