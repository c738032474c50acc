"""Looks ahead in a stream of bytes before it takes them. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator


class Lookahead:
    """A stream whose next `bytes_max` bytes can be searched, read as far as the search needs them.

    A result never depends on how `chunks` cuts the stream: a search whose result could change with
    the bytes that follow is repeated with twice as many of them, which takes linear time.
    """

    def __init__(self, chunks: Iterable[bytes], bytes_max: int) -> None:
        self._chunks = iter(chunks)
        self.bytes_max = bytes_max
        #: The bytes that were read, and the position in them of the first one that was not taken.
        self.data = b""
        self.at = 0
        #: The position of `data` in the stream.
        self.data_begins = 0
        #: A part of the stream without a newline, which may end at one.
        self._line = (0, 0)

    def read(self, size: int) -> bool:
        """Read until the next `size` bytes are there; return False if the stream has fewer."""
        missing = self.at + size - len(self.data)
        if missing > 0:
            parts = [self.data[self.at :]]
            self.data_begins += self.at
            self.data, self.at = b"", 0
            for chunk in self._chunks:
                parts.append(chunk)
                missing -= len(chunk)
                if missing <= 0:
                    break
            self.data = b"".join(parts)
        return missing <= 0

    def take(self, size: int) -> bytes:
        """Take the next `size` bytes, which must have been read."""
        begin, self.at = self.at, self.at + size
        return self.data[begin : self.at]

    def windows(self, ahead: int = 0) -> Iterator[tuple[int, int, bool]]:
        """Yield the begin and end of larger and larger windows, and whether it is the last one.

        The first one is what has been read already, so that nothing waits for bytes in vain.
        """
        size = 1
        is_last = False
        while not is_last:
            is_last = not self.read(ahead + size)
            begin = self.at + ahead
            end = min(begin + self.bytes_max, len(self.data))
            is_last = is_last or end - begin == self.bytes_max
            yield begin, end, is_last
            size = min(2 * (end - begin), self.bytes_max)

    def newline(self, begin: int, end: int) -> int:
        """Return the position of the first newline in data[begin:end]; `end` if there is none.

        Text that was searched before is not searched again, for lines of many documents.
        """
        line_begin, line_end = (each - self.data_begins for each in self._line)
        if not line_begin <= begin <= line_end:
            line_begin = line_end = begin
        if line_end < end:
            found = self.data.find(b"\n", line_end, end)
            line_end = end if found < 0 else found
            self._line = (self.data_begins + line_begin, self.data_begins + line_end)
        return min(line_end, end)

    def match(self, pattern: re.Pattern[bytes], ahead: int = 0) -> re.Match[bytes] | None:
        """Match a pattern that depends on no more than the rest of the line."""
        found = None
        for begin, end, is_last in self.windows(ahead):
            found = pattern.match(self.data, begin, end)
            is_settled = found.end() < end if found else self.data.find(b"\n", begin, end) >= 0
            if is_settled or is_last:
                break
        return found
