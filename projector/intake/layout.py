"""Defines the patterns of JSON text by which documents are found in a stream. PURE.

Every repetition is possessive, so that a search takes one pass and no memory; a repeated group is
atomic, because Python before 3.11.5 does not step back from half a repetition.
"""

from __future__ import annotations

import re

#: Deeper text is broken. The parser reads fewer levels.
DEPTH_MAX = 1000

#: A document behind broken text on a line has fewer levels: a bound of the time for the search.
_NEXT_DEPTH_MAX = 32

#: The byte order mark.
MARK = b"\xef\xbb\xbf"

_BLANKS = rb"[ \t\r]*+"
_STRING = rb'"[^"\\\n]*+(?>\\.[^"\\\n]*+)*+"'
_SCALAR = rb"(?>%b|-?\d[\d.eE+-]*+|true|false|null)" % _STRING
#: The characters that separate documents beside JSON's own whitespace: form feed, record separator
#: (RFC 7464), byte order mark, next line, line separator and paragraph separator.
_SEPARATOR = rb"[\f\x1e]|\xef\xbb\xbf|\xc2\x85|\xe2\x80[\xa8\xa9]"

TEXT = re.compile(rb"[^ \t\r\n]")
GAP = re.compile(rb"(?>[ \t\r\n]|%b)*+" % _SEPARATOR)
GAP_IN_ARRAY = re.compile(rb"(?>[ \t\r\n,]|%b)*+" % _SEPARATOR)
#: A bracket, and the JSON between it and the next one.
BRACKET = re.compile(
    rb"(?>\{[ \t\r\n]*+(?=[\"}]|\Z)|\[[ \t\r\n]*+|[}\]])"
    rb'(?>%b|[,:][ \t\r\n]*+|[^"{}\[\],:\n]++|\n[ \t\r\n]*+(?=[,:}\]]))*+' % _STRING
)
#: A newline or an open string whose meaning the rest of the stream cannot change.
SETTLED = re.compile(rb"[ \t\r\n]++[^ \t\r\n]|[^\n]++\n")
#: The rest of a line as far as a `}` at its end.
_TO_BRACE = rb"(?>[^\n}]++|\}(?!%b(?>\n|\Z)))*+" % _BLANKS
#: Text behind a document that shows that it ends there: another one, or the end of the line.
DOCUMENT_END = re.compile(rb"(?>[ \t\r\0,]|%b)*+(?>[{\[\n]|\Z)" % _SEPARATOR)
_ELEMENT_END = re.compile(rb"(?>[ \t\r\0]|%b)*+(?>[,{\[\]\n]|\Z)" % _SEPARATOR)
_COMMA = re.compile(rb"[ \t\r]*+,")
#: Another document behind one.
NEXT = re.compile(rb"(?>[ \t\r\0,]|%b)*+[{\[]" % _SEPARATOR)
#: The rest of a line that does not end with `}`.
NO_BRACE_AT_END = re.compile(rb"(?!%b\})" % _TO_BRACE)
SCALAR_ELEMENT = re.compile(rb"(%b)%b(?>[,\]\n]|\Z)" % (_SCALAR, _BLANKS))
#: The beginning of an array, but not of a log message such as `[INFO] started`.
ARRAY = re.compile(rb"\[%b(?>[{\[\]\n]|\Z|%b)" % (_BLANKS, SCALAR_ELEMENT.pattern))
#: Commas before the next document; with a second group before an empty one or the end of the line.
COMMAS = re.compile(
    rb'(,[, \t\r]*+)(?>\{%b(?>["\n]|\Z)|((?>\{%b\}%b,)|(?>\{%b\}%b)?+(?>\n|\Z)))'
    % (_BLANKS, _BLANKS, _BLANKS, _BLANKS, _BLANKS)
)
#: NULs before the next document, but not UTF-16.
NULS = re.compile(rb"(\0[\0 \t\r]*+)[{\[](?>[^\0]|\Z)")
LINE = re.compile(rb"[^\n]*+")
#: A line as far as a `}` at its end; without one, with the lines that are indented deeper.
_LINE_AND_DEEPER_ONES = (
    _TO_BRACE + rb"(?>\}|(?>\n(?>[ \t]{%d}[^\n]*+|[ \t\r]*+(?=\n)))*+(?>\n[ \t]{%d}\})?+)"
)

#: An object with a key.
_KEYED = re.compile(rb"\{%b%b%b:" % (_BLANKS, _STRING, _BLANKS))
_VALUE = rb'(?>%b|[^"{}\[\],:\n\\ \t\r]++)%b' % (_STRING, _BLANKS)
_ITEMS = rb"(?>(?>%b)?+[,:]%b)*+(?>%b(?=[}\]]))?+" % (_VALUE, _BLANKS, _VALUE)
#: The same as BRACKET on one line, but an inner bracket that opens must follow punctuation.
_STRICT_BRACKET = re.compile(
    rb"(?>[{\[]%b%b|[}\]]%b(?>(?=[}\]])|,%b%b))" % (_BLANKS, _ITEMS, _BLANKS, _BLANKS, _ITEMS)
)
#: The punctuation before a value, in an object and in an array.
_BEFORE = {ord("{"): (b":",), ord("["): (b"[", b",")}


def line_and_deeper_ones(indent: int) -> re.Pattern[bytes]:
    """Return the extent of broken text that begins with `{`, on a line with this indentation."""
    return re.compile(_LINE_AND_DEEPER_ONES % (indent + 1, indent))


def next_document(
    data: bytes, at: int, begin: int, end: int, *, after_comma: bool
) -> tuple[int, int]:
    """Return where the next document begins in a line of broken text, and its size.

    The text is `data[at:end]`; the document begins in `data[begin:end]`. Both are 0 if there is
    none. It must not follow `[` or `:`, because it may be a part of the
    broken one there, and `,` only if documents are separated by commas; but a `{` that JSON cannot
    contain begins a document anyhow.

    Takes linear time: of two objects that begin at different brackets, and are both read beyond the
    beginning of a third one, one reads as strings what the other reads between strings, so that
    there are never more than two; behind commas, as many as there may be levels.
    """
    after_comma = after_comma or _COMMA.match(data, at, end) is not None
    _, impossible = read_strictly(data, at, end)
    for found in _KEYED.finditer(data, begin, end):
        start = found.start()
        before = start - 1
        while before >= at and data[before] in b" \t\r":
            before -= 1
        punctuation = data[before : before + 1] if before >= at and start != impossible else b""
        if punctuation in (b"[", b":") or (punctuation == b"," and not after_comma):
            continue
        size, _ = read_strictly(data, start, end)
        if size and (punctuation != b"," or _ELEMENT_END.match(data, start + size, end)):
            return start, size
    return 0, 0


def read_strictly(data: bytes, begin: int, end: int) -> tuple[int, int]:
    """Return the size of the object that begins there, on one line, or 0 if there is none.

    Also return where reading ended.
    """
    open_brackets = bytearray()
    at = begin
    while at < end:
        bracket = data[at : at + 1]
        if bracket in (b"{", b"["):
            open_brackets += bracket
        elif bracket in (b"}", b"]") and open_brackets:
            open_brackets.pop()
            if not open_brackets:
                return (at + 1 - begin if bracket == b"}" else 0), at + 1
        else:
            break
        found = _STRICT_BRACKET.match(data, at, end)
        if len(open_brackets) > _NEXT_DEPTH_MAX or not found:
            break
        at = found.end()
        before = found[0].rstrip(b" \t\r")[-1:]
        if data[at : at + 1] in (b"{", b"[") and before not in _BEFORE[open_brackets[-1]]:
            break
    return 0, at
