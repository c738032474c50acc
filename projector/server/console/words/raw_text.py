"""Shows text from outside as what it is: control characters visible, bytes in hex, cut. PURE."""

from __future__ import annotations

import re

from attrs import frozen
from markupsafe import escape

#: Control characters but for line feeds and tabs; marks that change the direction of writing, or
#: are invisible; lone surrogates.
_HIDDEN = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)

_HEX_ROW = 16


@frozen(kw_only=True)
class RawText:
    """The beginning of a body."""

    text: str
    is_hex: bool
    is_cut: bool


def visible(text: str) -> str:
    r"""Return a text with hidden characters written out, such as `\u202e`."""
    return _HIDDEN.sub(_write, text)


def raw(body: bytes | str, *, is_whole: bool, bytes_max: int) -> RawText:
    """Return the beginning of a body: as text, or in hex if it is not UTF-8.

    `bytes_max` limits the bytes on the page, where `<` takes four. A body that is not whole may end
    within a character.
    """
    text = body if isinstance(body, str) else _decode(body, is_whole=is_whole)
    if text is None:
        assert isinstance(body, bytes)  # noqa: S101 - for mypy
        # A row takes about five times its bytes.
        kept = body[: bytes_max // 5]
        return RawText(text=_hex(kept), is_hex=True, is_cut=not is_whole or len(kept) < len(body))
    shown = _cut(visible(text), bytes_max)
    return RawText(text=shown, is_hex=False, is_cut=not is_whole or len(shown) < len(visible(text)))


def _write(found: re.Match[str]) -> str:
    number = ord(found[0])
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _decode(body: bytes, *, is_whole: bool) -> str | None:
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        if not is_whole and error.end == len(body) and len(body) - error.start < 4:
            return body[: error.start].decode()
        return None


def _cut(text: str, bytes_max: int) -> str:
    """Return the longest of some beginnings of a text that is small enough."""
    while len(str(escape(text)).encode(errors="replace")) > bytes_max:
        size = len(str(escape(text)).encode(errors="replace"))
        text = text[: min(len(text) * bytes_max // size, len(text) - 1)]
    return text


def _hex(body: bytes) -> str:
    rows = (body[at : at + _HEX_ROW] for at in range(0, len(body), _HEX_ROW))
    return "\n".join(
        f"{number * _HEX_ROW:06x}  {row.hex(' '):<{3 * _HEX_ROW}} {_printable(row)}"
        for number, row in enumerate(rows)
    )


def _printable(row: bytes) -> str:
    return "".join(chr(each) if 32 <= each < 127 else "." for each in row)
