"""Writes tables as CSV (RFC 4180) that a spreadsheet can open without running anything. PURE."""

from __future__ import annotations

from collections.abc import Iterable

#: The characters at the beginning of a cell that a spreadsheet takes for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_QUOTED = frozenset(',"\r\n')


def row(cells: Iterable[str | None]) -> str:
    """Return a line with its end; a cell that begins like a formula gets an apostrophe before."""
    return ",".join(map(_cell, cells)) + "\r\n"


def _cell(text: str | None) -> str:
    text = text or ""
    if text.startswith(_FORMULA):
        text = f"'{text}"
    if _QUOTED.isdisjoint(text):
        return text
    return '"' + text.replace('"', '""') + '"'
