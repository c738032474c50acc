"""Short texts that are read: times, cursors, secrets, tokens, paths, queries, URLs."""

import json
import re
import warnings
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, get_type_hints
from urllib.parse import parse_qsl, unquote

import msgspec
from attrs import fields

from projector.envelope import id_problem
from projector.errors import BadCursor, BadDatabaseUrl, BadSecrets
from projector.intake import webhook_secrets
from projector.intake.signature import matching_secrets
from projector.operate import tokens
from projector.operate.tokens import Scope, StoredToken
from projector.server import parameters, query_parsing
from projector.server.errors import BadQuery
from projector.server.middleware import _path, id_in
from projector.store.database import Database
from projector.store.types import _from_sqlite, all_to_sqlite, to_sqlite
from projector.text import instants, paging
from projector.text.jsontext import compact
from tests.support.http_client import sign


def laid_out(data: bytes) -> None:
    """White space is taken out of JSON as a writer without any would have left it out."""
    found = compact(data)
    assert compact(found) == found
    assert b"".join(found.split()) == b"".join(data.split())
    try:
        known = msgspec.json.format(data, indent=-1)
        msgspec.json.decode(data, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return
    assert found == known
    for laid_out_anew in (data, msgspec.json.format(data, indent=2), b" " + found + b"\r\n"):
        assert compact(laid_out_anew) == found
        assert matching_secrets(laid_out_anew, sign(found, "k"), ["j", "k"]) == {"k"}
    assert matching_secrets(data + b"x", sign(found, "k"), ["k"]) == set()


_RFC_3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:([Zz])|([+-]\d\d:[0-5]\d))", re.ASCII
)


def times(data: bytes) -> None:
    """A time is the one that it says, however it is read; and comes back from wherever it goes."""
    text = data.decode(errors="replace")
    in_json = _time_of_json(text)
    try:
        found = instants.parse(text)
    except ValueError:
        known = _time(text)
        assert known is None, f"{text} is {known}"
        return
    assert found.tzinfo is UTC
    if in_json is None:
        assert ":60" in text, "only a leap second is no time to msgspec"
        in_json = found
    assert instants.to_utc(in_json) == found
    if (known := _time(text)) is not None:
        assert found == known
    told = instants.to_text(found)
    assert instants.parse(told) == found
    assert instants.to_text(instants.parse(told)) == told
    stored = to_sqlite(found)
    assert _from_sqlite(stored) == found
    # Of one width they sort as the instants do.
    assert stored is not None
    assert len(stored) == len("2024-03-01T10:00:00.000000Z")
    assert all_to_sqlite([in_json, None, found]) == [stored, None, stored]


def _time_of_json(text: str) -> datetime | None:
    try:
        return msgspec.json.decode(json.dumps(text), type=datetime)
    except ValueError:
        return None


def _time(text: str) -> datetime | None:
    """A time by RFC 3339 as Python's own reader reads it, rounded; None for any other text."""
    parts = _RFC_3339.fullmatch(text)
    if parts is None:
        return None
    day, clock, fraction, zulu, offset = parts.groups()
    if clock.endswith(":60"):
        before = _time(f"{day}T{clock[:-3]}:59{zulu or offset}")
        is_last = before is not None and (before.hour, before.minute) == (23, 59)
        return before.replace(microsecond=999_999) if before is not None and is_last else None
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zulu else offset}")
        seconds = Decimal(f"0.{fraction or 0}").quantize(Decimal("1e-6"), ROUND_HALF_UP)
        return (whole + int(seconds * 1_000_000) * datetime.resolution).astimezone(UTC)
    except (ValueError, OverflowError, ArithmeticError):
        return None


_PLACES: tuple[Any, ...] = (tuple[paging.Number], tuple[str, str], tuple[str, str, str])


def cursors(data: bytes) -> None:
    """A forged cursor is refused, or stands for a place that the database can be asked about."""
    text = data.decode(errors="surrogateescape")
    for kind in _PLACES:
        try:
            place = paging.from_cursor(text, kind)
        except BadCursor:
            continue
        assert place is not None
        assert paging.from_cursor(paging.to_cursor(place), kind) == place
        for part in place:
            assert isinstance(part, int) or "\0" not in part.encode().decode()
            assert isinstance(part, str) or 0 <= part < 2**63


def secrets(data: bytes) -> None:
    """What is read can be written again; what cannot be read is not shown."""
    text = data.decode(errors="surrogateescape")
    try:
        found = webhook_secrets.parse(text)
    except BadSecrets as error:
        shown = f"{error} {error.hint}"
        parts = [part.strip() for part in re.split("[,\n]", text)]
        assert not any(len(part) > 20 and part in shown for part in parts)
        return
    for each in found:
        assert each.text == each.text.strip() != ""
        assert each.project_id is None or not id_problem(each.project_id)
        assert matching_secrets(b"{}", "é", [each.text]) == set()
        again = f"{each.project_id}={each.text}" if each.project_id is not None else each.text
        assert webhook_secrets.parse(again) == (each,)


_TOKEN = f"pjt_{'0a' * 6}_{'1b' * 32}"
_KNOWN = {
    "0a" * 6: StoredToken(
        token_id="0a" * 6,
        name="fuzz",
        scopes=(Scope.READ,),
        created_at=datetime(2024, 1, 1, tzinfo=UTC),
        revoked_at=None,
        digest=tokens._digest("1b" * 32),
    )
}


def bearers(data: bytes) -> None:
    """One text lets in, and no other."""
    text = data.decode("latin-1")
    assert (tokens.authenticate(_KNOWN, text) is not None) == (text == _TOKEN)


def paths(data: bytes) -> None:
    """An id in a path is the one that its sender wrote, whatever is in it."""
    parts = data.replace(b"?", b"").split(b"/")
    found = _path(b"/".join(parts)).split("/")
    assert len(found) == len(parts)
    for part, raw in zip(found, parts, strict=True):
        assert "\n" not in part
        assert id_in(part) == unquote(raw.decode("ascii", "replace"), errors="surrogateescape")


_QUERIES: tuple[Any, ...] = (
    parameters.CustomerParameters,
    parameters.SourceIdParameters,
    parameters.WhyParameters,
    parameters.EventParameters,
    parameters.MemberParameters,
    parameters.DeliveryParameters,
    parameters.NoParameters,
)


def queries(data: bytes) -> None:
    """Parameters are what they say, each told once; everything else is refused."""
    for kind in _QUERIES:
        try:
            found = query_parsing.read(kind, data)
        except BadQuery:
            continue
        assert query_parsing.read(kind, data) == found
        told = dict(parse_qsl(data.decode("ascii"), keep_blank_values=True, errors="strict"))
        for name in get_type_hints(kind):
            value = getattr(found, name)
            given = told.pop(name.removesuffix("_"), None)
            default = getattr(fields(kind), name).default
            if given is None:
                assert value == default
            else:
                assert value == (int(given) if isinstance(value, int) else given)
        assert not told


def urls(data: bytes) -> None:
    """A database is opened, or the URL refused, without a word of its password."""
    text = data.decode(errors="surrogateescape")
    with warnings.catch_warnings():
        # Of options that a driver does not know.
        warnings.simplefilter("ignore")
        try:
            database = Database(text)
        except BadDatabaseUrl as error:
            shown = str(error)
            assert "<projector" not in shown
        else:
            shown = str(database)
            database.close()
    password = re.fullmatch(r"[a-z+]+://[a-z]*:([a-z]{12,})@.*", text)
    assert password is None or password[1] not in shown
