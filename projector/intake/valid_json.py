"""Finds valid JSON at the speed of the parser, which skips it without building values. PURE."""

from __future__ import annotations

from collections.abc import Generator

import msgspec

from projector.intake import layout

#: Results of `valid_size`.
INVALID, TRUNCATED = 0, -1

_BRACE = ord("{")
_SPACE = b" \t\r\n"

_json = msgspec.json.Decoder(msgspec.Raw)
#: The message of msgspec for text behind JSON, which ends with the number of its first byte.
_TRAILING = "JSON is malformed: trailing characters (byte "


def valid_objects(data: bytes, at: int, newline: int, end: int) -> Generator[bytes, None, int]:
    """Yield each valid object in data[at:end] up to the first other text.

    Return the end of the last one. Several on one line are found on the first line alone, whose
    indentation is known.
    """
    view = memoryview(data)
    is_first_line = True
    last_end = at
    while at < end and data[at] == _BRACE:
        size = valid_size(view[at:newline])
        if size <= 0:
            break
        if at + size < newline:
            if not is_first_line or not layout.NEXT.match(data, at + size, end):
                break
        elif newline == end:
            # What follows in the stream may belong to it.
            break
        last_end = at + size
        while data[last_end - 1] in _SPACE:
            last_end -= 1
        yield data[at:last_end]
        at = last_end
        if at == newline and at + 1 < end and data[at + 1] == _BRACE:
            at += 1
        elif gap := layout.GAP.match(data, at, end):
            at = gap.end()
        if at > newline:
            is_first_line = False
            newline = data.find(b"\n", at, end)
            newline = end if newline < 0 else newline
    return last_end


def valid_size(text: memoryview) -> int:
    """Return the size of the valid JSON with which a text begins, or INVALID or TRUNCATED.

    Should a later msgspec word its messages otherwise, both are INVALID: slower, but not wrong.
    """
    try:
        _json.decode(text)
    except ValueError as error:
        message = str(error)
        if message.startswith(_TRAILING):
            return int(message[len(_TRAILING) : -1]) - 1
        return TRUNCATED if message == "Input data was truncated" else INVALID
    except RecursionError:
        return INVALID
    return len(text)
