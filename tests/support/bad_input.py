"""Everything that goes wrong with deliveries on their way, line by line."""

import copy
import itertools
import json
from collections.abc import Iterator
from typing import Any

from tests.support.given import (
    Delivery,
    created,
    entered,
    expiration_changed,
    joined,
    tier,
    upgraded,
)

_AT = "2024-01-01T00:00:00Z"
_MEGABYTE = "x" * 1_000_000

#: Put into a text by json.dumps and replaced afterwards: what Python would not write.
_PLACE = "@here@"


def good(number: int) -> bytes:
    """A line with which nothing is wrong."""
    return json.dumps(created(f"cust_good_{number}", at=_AT, id=f"good_{number}")).encode()


def _with(place: str, raw: bytes) -> bytes:
    """A delivery with some text of JSON at a place in it."""
    customer: dict[str, Any] = {"name": "Alex", "source_id": "s", "metadata": {}}
    if place in customer:
        customer[place] = _PLACE
    delivery = created("cust_1", at=_AT, **customer)
    match place:
        case "event_id":
            delivery["event"]["id"] = _PLACE
        case "customer_id":
            delivery["data"]["customer"]["id"] = _PLACE
        case "project_id":
            delivery["project_id"] = _PLACE
        case "type":
            delivery["event"]["type"] = _PLACE
        case "time":
            delivery["event"]["created_at"] = _PLACE
    return json.dumps(delivery).encode().replace(f'"{_PLACE}"'.encode(), raw)


_WHOLE = good(0)

#: Lines that cannot be filed, by what is wrong with them.
REJECTED: dict[str, bytes] = {
    "a line of NUL": b"\x00\x00\x00",
    "NUL in a name": _with("name", b'"a\x00b"'),
    "NUL between keys": _WHOLE.replace(b", ", b",\x00", 1),
    "a control character": _with("name", b'"a\x01b"'),
    "an escaped NUL in the event's id": _with("event_id", rb'"a\u0000b"'),
    "an escaped NUL in the customer's id": _with("customer_id", rb'"a\u0000b"'),
    "an escaped NUL in the type": _with("type", rb'"a\u0000b"'),
    "an escaped surrogate in an id": _with("event_id", rb'"\udfff"'),
    "a raw surrogate": _with("name", b'"\xed\xa0\x80"'),
    "Latin-1": _with("name", '"Zoë"'.encode("latin-1")),
    "UTF-16": _WHOLE.decode().encode("utf-16"),
    "UTF-16 without a mark": _WHOLE.decode().encode("utf-16-be"),
    "UTF-32": _WHOLE.decode().encode("utf-32"),
    "overlong UTF-8": _with("name", b'"\xc0\xaf"'),
    "beyond Unicode": _with("name", b'"\xf5\x80\x80\x80"'),
    "gzip within": b"\x1f\x8b\x08\x00",
    "a mark in the middle": _WHOLE.replace(b", ", b", \xef\xbb\xbf", 1),
    "10,000 levels": _with("metadata", b"[" * 10_000 + b"]" * 10_000),
    "10,000 levels of objects": _with("metadata", b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    "10,000 levels and no end": _with("metadata", b"[" * 10_000),
    "400 digits for an id": _with("event_id", b"7" * 400),
    "10,000 digits for an id": _with("event_id", b"7" * 10_000),
    "400 digits for a time": _with("time", b"7" * 400),
    "1e400 for an id": _with("event_id", b"1e400"),
    "NaN": _with("name", b"NaN"),
    "Infinity": _with("name", b"-Infinity"),
    "a number with a zero before it": _with("name", b"01"),
    "a number that ends with a point": _with("name", b"1."),
    "hexadecimal": _with("name", b"0x1F"),
    "a megabyte for the event's id": _with("event_id", f'"{_MEGABYTE}"'.encode()),
    "a megabyte for the customer's id": _with("customer_id", f'"{_MEGABYTE}"'.encode()),
    "a megabyte for the project": _with("project_id", f'"{_MEGABYTE}"'.encode()),
    "more than a megabyte for a name": _with("name", f'"{_MEGABYTE * 2}"'.encode()),
    "an empty event id": _with("event_id", b'""'),
    "an empty project": _with("project_id", b'""'),
    "no project": _with("project_id", b"null"),
    "no type": _with("type", b"null"),
    "an empty type": _with("type", b'""'),
    "a naive time": _with("time", b'"2024-01-01T00:00:00"'),
    "a date for a time": _with("time", b'"2024-01-01"'),
    "seconds for a time": _with("time", b"1704067200"),
    "no time": _with("time", b"null"),
    "a time beyond all calendars": _with("time", b'"9999-12-31T23:59:59-12:00"'),
    "cut off in a key": _WHOLE[:20],
    "cut off in a text": _WHOLE[: _WHOLE.index(b"cust_good") + 3],
    "cut off behind an escape": _with("name", b'"a\\'),
    "cut off before the last bracket": _WHOLE[:-1],
    "begun in the middle": _WHOLE[25:],
    "a bracket too many": _WHOLE + b"}",
    "a comma too many": _WHOLE[:-1] + b",}",
    "a comma too few": _WHOLE.replace(b", ", b" ", 1),
    "Python's quotes": _WHOLE.replace(b'"', b"'"),
    "no quotes": b"{id: 1}",
    "a comment": b"// nothing",
    "CSV": b"id;type;created_at",
    "XML": b"<event/>",
    "a log line": b"INFO 2024-01-01 something happened",
    "a number": b"17",
    "a text": b'"text"',
    "true": b"true",
    "null": b"null",
    "half a word": b"nul",
    "a lone quote": b'"',
    "a lone bracket": b"{",
    "a lone bracket the other way": b"}",
    "a lone colon": b":",
    "a backslash": b"\\",
    "an empty object": b"{}",
    "an unknown shape": b'{"hello": "world"}',
    "the format of 2018": b'{"object":"event","type":"t","data":{"object":{"id":"c"}}}',
    "a webhook without its event": b'{"id":"whs_1","project_id":"p","data":{}}',
}

#: Lines that are filed; what they say may still be more than can be read.
FILED: dict[str, bytes] = {
    "a mark before it": b"\xef\xbb\xbf" + _with("name", b'"mark"'),
    "keys twice": _with("name", b'"Berta", "name": "Carla"'),
    "an id twice": _with("event_id", b'"first", "id": "twice"'),
    "an escaped NUL in a name": _with("name", rb'"a\u0000b"'),
    "an escaped NUL in the shop's id": _with("source_id", rb'"a\u0000b"'),
    "an escaped NUL in metadata": _with("metadata", rb'{"a\u0000": "\u0000"}'),
    "400 digits in metadata": _with("metadata", b'{"n":' + b"7" * 400 + b"}"),
    "10,000 digits in metadata": _with("metadata", b'{"n":' + b"7" * 10_000 + b"}"),
    "1e400 in metadata": _with("metadata", b'{"n":[1e400,-1e400,1e-400]}'),
    "odd numbers in metadata": _with("metadata", b'{"b":1.50,"a":-0.0,"c":1E+2,"b":2}'),
    "1e400 for a name": _with("name", b"1e400"),
    "400 digits for a name": _with("name", b"7" * 400),
    "half a character": _with("name", rb'"Jo \ud83c"'),
    "a surrogate pair the wrong way round": _with("name", rb'"\ude00\ud83d"'),
    "half a character in the shop's id": _with("source_id", rb'"\udfff"'),
    "half a character in metadata": _with("metadata", rb'{"a\ud800": "\udbff"}'),
    "a leap second": _with("time", b'"2016-12-31T23:59:60Z"'),
    "a number for the shop's id": _with("source_id", b"123"),
    "a double for the shop's id": _with("source_id", b"1.23e2"),
    "a surrogate pair": _with("name", rb'"\ud83d\ude00"'),
    "characters of all kinds": _with("name", '"\u2028\ufeff\ufffe\U0010ffff\x7f"'.encode()),
    "a megabyte for a name": _with("name", f'"{_MEGABYTE}"'.encode()),
    "a megabyte for the shop's id": _with("source_id", f'"{_MEGABYTE}"'.encode()),
    "an empty customer id": _with("customer_id", b'""'),
    "a type that nobody knows": _with("type", '"größer\\u001b[31m"'.encode()),
}

#: What may stand behind a whole delivery in its line, for whatever reason.
TRAILING: dict[str, bytes] = {
    "NUL": b"\x00",
    "a broken one": b'{"id":',
    "a semicolon": b";",
    "a text": b'"text"',
    "another encoding": b"\xff\xfe",
}

_WRONG = [7, -1.5, "x", "", True, None, [], {}, [{}], {"a": 1}, 10**30, "\x00", "9" * 300]

_TEMPLATES: list[Delivery] = [
    created("C", at=_AT, name="N", email="e@x.test", source_id="s", metadata={}, created_at=_AT),
    entered("C", "seg_1", at=_AT),
    joined(
        "C",
        tier(
            "ltr_1",
            1,
            2,
            campaign_id="camp_1",
            config={"points": {"from": 1, "to": 2}},
            expiration={"start_date": None, "expiration_date": "2024-12-31"},
        ),
        at=_AT,
        created_at=_AT,
    ),
    upgraded("C", tier("ltr_1", 1, 2), tier("ltr_2", 3), at=_AT, created_at=_AT),
    expiration_changed("C", "ltr_1", at=_AT, expiration_date="2024-12-31"),
]


def _paths(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield (*path, key)
            yield from _paths(inner, (*path, key))


def wrong_types() -> Iterator[bytes]:
    """Deliveries with a wrong value for each key there is, each of another event and customer."""
    numbers = itertools.count()
    for template in _TEMPLATES:
        for path in _paths(template):
            for value in _WRONG:
                delivery = copy.deepcopy(template)
                number = next(numbers)
                delivery["event"]["id"] = f"wrong_{number}"
                delivery["data"]["customer"]["id"] = f"cust_wrong_{number}"
                *parents, key = path
                parent = delivery
                for each in parents:
                    parent = parent[each]
                parent[key] = value
                yield json.dumps(delivery).encode()
