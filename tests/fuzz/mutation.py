"""How inputs are changed: as bytes, or, where there is JSON in them, as JSON."""

import copy
import json
import random
import re
from collections.abc import Callable
from typing import Any

import atheris

_JSON = re.compile(rb"[{\[].*[}\]]", re.DOTALL)

#: What JSON can hold and readers trip over; `@…@` is put in as it is, for no writer would.
NASTY: list[Any] = [
    None, True, 0, -1, 7, 1.5, "", "x", "x" * 200, "x" * 201, "\0", "\u2028", "😀", [], {}, [{}],
    2**63, -(2**63), 2**63 - 1, 10**30, "cust_1", "seg_1", "list", "event", "distribution",
    "2024-01-01T00:00:00Z", "2024-01-01T00:00:00", "0001-01-01T00:00:00+05:45",
    "9999-12-31T23:59:59.9999999Z", "2024-12-31", "soon",
    "@1e400@", "@-0.0@", "@1.0@", "@1E+2@", '@"\\ud800"@', '@"\\u0000"@', "@NaN@", "@01@",
    "@" + "7" * 400 + "@", "@" + "[" * 260 + "]" * 260 + "@", '@{"a":1,"a":2}@', "@{@", '@"@',
]  # fmt: skip
_RAW = re.compile(r'"@((?:[^"\\]|\\.)*)@"')

Change = Callable[[Any, Any, random.Random], None]


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Another input like this one."""
    chance = random.Random(seed)
    found = _JSON.search(data)
    if found is None or chance.random() < 0.4:
        return bytes(atheris.Mutate(data, max_size))
    try:
        document = json.loads(found[0])
    except (ValueError, RecursionError):
        return bytes(atheris.Mutate(data, max_size))
    for _ in range(chance.randint(1, 3)):
        _change(document, chance)
    indent = chance.choice([None, None, None, 0, 1, "\t"])
    text = json.dumps(document, indent=indent, ensure_ascii=chance.random() < 0.5)
    text = _RAW.sub(lambda raw: json.loads(f'"{raw[1]}"'), text)
    encoded = text.encode(errors="replace")
    return (data[: found.start()] + encoded + data[found.end() :])[:max_size]


def _change(document: Any, chance: random.Random) -> None:
    """Change one place in a document."""
    places = list(_places(document))
    if not places:
        return
    container, key = chance.choice(places)
    other, other_key = chance.choice(places)
    match chance.randint(0, 5):
        case 0:
            del container[key]
        case 1 | 2:
            container[key] = _nasty(chance)
        case 3:
            container[key] = copy.deepcopy(other[other_key])
        case 4 if isinstance(container, list):
            container.insert(0, _nasty(chance))
        case 4:
            container[other_key if isinstance(other_key, str) else "a"] = container.pop(key)
        case 5 if isinstance(container[key], str):
            text = container[key]
            at = chance.randint(0, len(text))
            container[key] = (
                text[:at] + chance.choice(['"', "\\", "é", "\0", "+", "Z", "0"]) + text[at:]
            )
        case _:
            container[key] = [container[key]]


def _nasty(chance: random.Random) -> Any:
    """A copy, or a container would come to hold itself."""
    return copy.deepcopy(chance.choice(NASTY))


def _places(value: Any) -> Any:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield value, key
            yield from _places(inner)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield value, index
            yield from _places(inner)
