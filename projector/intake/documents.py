"""Cuts a stream of bytes into the documents that it holds, whatever their layout. PURE.

One document a line, documents of many lines, JSON arrays, all of them mixed: nobody has to say
which. Nothing is parsed. What is no document is a frame too: who parses it will see, and keep it.

The hard question is where a broken document ends, for it must not take the good ones after it
along. A line that begins with `{` and ends with `}` is a document by itself. One of many lines is
given up at the first byte that cannot follow in JSON; and what is given up is its first line with
the lines that are indented deeper, no more.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator

from projector.text.jsontext import SCALAR_ELEMENT, find_end

#: A document of many lines that is nested deeper is given up, so that a few brackets are kept.
_DEPTH_MAX = 1000
#: The indentation of text that takes no other lines with it when it is given up.
_ONE_LINE = sys.maxsize

_BRACE, _BRACE_CLOSES, _BRACKET, _BRACKET_CLOSES, _COMMA, _RETURN = b"{}[],\r"
_SPACE = b" \t\r\n"
_MARK = b"\xef\xbb\xbf"
_GAP = re.compile(rb"(?:[ \t\r\n]|\xef\xbb\xbf)*+")
_ARRAY_GAP = re.compile(rb"(?:[ \t\r\n,]|\xef\xbb\xbf)*+")
_TEXT = re.compile(rb"[^ \t\r\n]")


def split_documents(chunks: Iterable[bytes], *, frame_bytes_max: int = 16 << 20) -> Iterator[bytes]:
    """Each document as it came, bytes exactly, and each piece of text that is none; never an error.

    Where the stream is cut into chunks makes no difference. Left out are whitespace, byte order
    marks, the brackets and commas of top-level arrays; every other byte is in one frame. What does
    not end within `frame_bytes_max` (≥ 1) comes in such pieces. Memory: twice that and two chunks.
    """
    return _Cutter(_View(chunks, frame_bytes_max)).frames()


class _OutOfView(Exception):
    """The answer depends on bytes that have not been read yet."""


class _View:
    """The next `bytes_max` bytes of the stream: all that a decision may depend on.

    What can only be said with bytes that have not been read raises _OutOfView, so that no answer
    depends on how much has been. Positions are those in `data`; the stream is cut as far as `at`.
    """

    def __init__(self, chunks: Iterable[bytes], bytes_max: int) -> None:
        self._chunks = iter(chunks)
        self._read_all = False
        self.bytes_max = bytes_max
        self.data = b""
        self._data_begins = 0
        self.at = 0
        self.end = 0
        #: Where in the stream the containers begin that are known not to end.
        self._endless: set[int] = set()

    def move(self, at: int) -> None:
        self.at = at
        self.end = min(len(self.data), at + self.bytes_max)

    def holds(self, size: int) -> bool:
        """Whether so many bytes are there, or all that the stream still has."""
        return self._read_all or len(self.data) - self.at >= size

    def read(self) -> None:
        """Read as much again as is there: looking again and again then costs no more than twice."""
        unread = len(self.data) - self.at
        wanted = max(1, min(unread, self.bytes_max - unread))
        parts = [self.data[self.at :]]
        for chunk in self._chunks:
            parts.append(chunk)
            wanted -= len(chunk)
            if wanted <= 0:
                break
        else:
            self._read_all = True
        self.data = b"".join(parts)
        self._data_begins += self.at
        self.move(0)

    def byte(self, position: int) -> int:
        """The byte at a position; 0 behind the last."""
        return self.data[position] if position < self.end else 0

    def text_after(self, position: int) -> int:
        """Where the next byte is that is not whitespace."""
        text = _TEXT.search(self.data, position, self.end)
        return text.start() if text else self._whole_end()

    def line_end(self, position: int) -> int:
        """Where the line ends that a position is in."""
        newline = self.data.find(b"\n", position, self.end)
        return newline if newline >= 0 else self._whole_end()

    def element_end(self, begin: int) -> int:
        """Where the element of an array ends that begins at a position; 0 if it is broken."""
        if self.byte(begin) in b"{[":
            return self.container_end(begin)
        if found := SCALAR_ELEMENT.match(self.data, begin, self.end):
            return found.end()
        self.line_end(begin)  # which, if it is not in view, may yet make the scalar whole
        return 0

    def container_end(self, begin: int) -> int:
        """Where the object or array ends that begins at a position; 0 if it is broken."""
        if self._data_begins + begin in self._endless:
            return 0
        end, opened = find_end(self.data, begin, self.end, depth_max=_DEPTH_MAX)
        if not opened:
            return end
        if end == self.end:
            self._whole_end()
            # The inner ones may end within a view of their own.
            del opened[(len(opened) + 1) // 2 :]
        # Without this, a file of opening brackets would be followed to its end from each of them.
        self._endless = {self._data_begins + position for position in opened}
        return 0

    def _whole_end(self) -> int:
        """The view's end, if the view is all there."""
        if not self.holds(self.bytes_max):
            raise _OutOfView
        return self.end


class _Cutter:
    """Where in the layout we are. A step that raises _OutOfView has changed nothing."""

    def __init__(self, view: _View) -> None:
        self._view = view
        #: How far the first text of this line is indented, and whether that is still to come.
        self._indent = 0
        self._at_line_start = True
        self._in_array = False
        #: In an array: after its bracket or a comma.
        self._expects_element = False
        #: The indentation of the text that is being given up in pieces.
        self._giving_up: int | None = None

    def frames(self) -> Iterator[bytes]:
        while self._find_text():
            if self._at_line_start and not self._in_array:
                yield from self._plain_lines()
            try:
                frame = self._step()
            except _OutOfView:
                self._view.read()
            else:
                if frame:
                    yield frame

    def _find_text(self) -> bool:
        """Step over what is between documents; False at the end of the stream."""
        self._skip_gap()
        while not self._view.holds(len(_MARK)):  # less might be the beginning of a checkpoint
            self._view.read()
            self._skip_gap()
        return self._view.at < len(self._view.data)

    def _skip_gap(self) -> None:
        found = (_ARRAY_GAP if self._in_array else _GAP).match(self._view.data, self._view.at)
        if self._giving_up is not None or not found or not found[0]:
            return
        gap = found[0].replace(_MARK, b"")
        line_begin = gap.rfind(b"\n") + 1
        if line_begin:
            self._at_line_start, self._indent = True, 0
        if self._at_line_start:
            self._indent += len(gap) - line_begin
        if b"," in gap:
            self._expects_element = True
        self._view.move(found.end())

    def _plain_lines(self) -> Iterator[bytes]:
        """The lines which everybody can see to be documents: `{`…`}`, and `{` begins the next.

        For speed alone: step by step the same frames would come.
        """
        data, at, bytes_max = self._view.data, self._view.at, self._view.bytes_max
        while data[at] == _BRACE:
            end = data.find(b"\n", at, at + bytes_max)
            if end < 0 or data[end + 1 : end + 2] != b"{":
                break
            line_end = end - (data[end - 1] == _RETURN)
            if data[line_end - 1] != _BRACE_CLOSES:
                break
            yield data[at:line_end]
            at, self._indent = end + 1, 0
        self._view.move(at)

    def _step(self) -> bytes:
        """Take what comes next: a frame; or a bracket, and therefore nothing."""
        if self._giving_up is not None:
            return self._give_up(self._giving_up)
        byte = self._view.byte(self._view.at)
        if byte == _BRACKET_CLOSES and self._in_array:
            return self._step_over(in_array=False)
        if byte == _BRACKET and not (self._in_array and self._expects_element):
            self._in_array = self._begins_array()
            return self._step_over(in_array=True) if self._in_array else self._give_up(_ONE_LINE)
        if end := self._document_end():
            return self._take(end)
        return self._give_up(self._indent if byte in b"{[" else _ONE_LINE)

    def _step_over(self, *, in_array: bool) -> bytes:
        """Leave out the bracket that comes next."""
        self._in_array = in_array
        self._take(self._view.at + 1)
        self._expects_element = in_array
        return b""

    def _take(self, end: int) -> bytes:
        frame = self._view.data[self._view.at : end].strip(_SPACE)
        self._view.move(end)
        self._at_line_start = self._expects_element = False
        return frame

    def _give_up(self, indent: int) -> bytes:
        """Take broken text: the rest of its line and the lines that are indented deeper."""
        end, complete = self._broken_end(indent)
        frame = self._take(end)
        self._giving_up = None if complete else indent
        # The comma behind a broken element went with it, more often than not.
        self._expects_element = True
        return frame

    def _broken_end(self, indent: int) -> tuple[int, bool]:
        """Where broken text ends, and whether it does or only the view."""
        view = self._view
        end = view.line_end(view.at)
        while end < view.end:
            text = view.text_after(end)
            if text == view.end:
                return end, end == view.at
            depth = self._depth(text, end)
            if depth <= indent:
                closes = depth == indent and view.byte(text) in b"}]"
                return (text + 1 if closes else end), True
            end = view.line_end(text)
        return end, False

    def _depth(self, text: int, line_end: int) -> int:
        """The indentation of the text that comes first after the end of a line."""
        return text - self._view.data.rfind(b"\n", line_end, text) - 1

    def _document_end(self) -> int:
        """Where the document ends that comes next; 0 if that is none."""
        view = self._view
        if self._in_array:
            return view.element_end(view.at)
        if view.byte(view.at) != _BRACE:
            return 0
        return (self._at_line_start and self._plain_line_end()) or view.container_end(view.at)

    def _plain_line_end(self) -> int:
        """Where the line ends, if its ends show that it is a document; otherwise 0."""
        view = self._view
        newline = view.line_end(view.at)
        line = view.data[view.at : newline].rstrip(_SPACE)
        if newline - view.at == view.bytes_max or not line.endswith(b"}"):
            return 0
        return 0 if view.byte(view.text_after(newline)) in b",}]" else view.at + len(line)

    def _begins_array(self) -> bool:
        """Whether this bracket begins an array, or a line of which the rest was lost.

        It is an array in the middle of a line; when its line ends with `]` or is the last, or the
        next line is indented deeper; otherwise its elements have to show it.
        """
        view = self._view
        if not self._at_line_start:
            return True
        first = view.text_after(view.at + 1)
        line_end = view.line_end(view.at)
        next_line = view.text_after(line_end)
        return first < view.end and (
            view.data[view.at : line_end].rstrip(_SPACE).endswith(b"]")
            or next_line == view.end
            or self._depth(next_line, line_end) > self._indent
            or self._elements_follow(first, line_end)
        )

    def _elements_follow(self, element: int, line_end: int) -> bool:
        """Whether elements and commas come from a position to beyond the line's end, or a `]`."""
        view = self._view
        while end := view.element_end(element):
            behind = view.text_after(end)
            if view.byte(behind) != _COMMA or end > line_end:
                return view.byte(behind) in b",]"
            element = view.text_after(behind + 1)
        return view.byte(element) == _BRACKET_CLOSES
