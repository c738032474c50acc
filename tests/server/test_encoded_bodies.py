"""Bodies that are packed, marked or in another encoding: webhooks, and POST /events."""

import bz2
import gzip
import http.client
import io
import json
import lzma
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from projector.envelope import BODY_BYTES_MAX
from projector.store.database import Database
from projector.store.tables import event, quarantine
from tests.support.given import created, entered
from tests.support.http_client import SIGNATURE, Client, Reply, encoded, ndjson, sign
from tests.support.server_process import SECRET
from tests.support.server_state import kept

_AT = "2024-03-01T10:00:00Z"
_MARK = b"\xef\xbb\xbf"


def _stored(database: Database, position: int) -> str:
    with database.reading() as connection:
        query = select(event.c.body).where(event.c.position == position)
        return str(connection.execute(query).scalar_one())


def _deliver(client: Client, body: bytes, signature: str, **headers: str) -> Reply:
    return client.post("/webhooks/voucherify", body, **headers, **{SIGNATURE: signature})


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "x-gzip", " gzip ", "identity, gzip", None])
@pytest.mark.parametrize("signed", ["unpacked", "packed", "without whitespace"])
def test_a_gzip_webhook_is_unpacked_whatever_of_it_is_signed(
    client: Client, shared_database: Database, encoding: str | None, signed: str
) -> None:
    delivery = entered(f"cust_gzip_{signed}_{encoding}", "seg_1", at=_AT)
    text = json.dumps(delivery, indent=1).encode()
    packed = gzip.compress(text)
    message = {"unpacked": text, "packed": packed}.get(signed, encoded(delivery))
    headers = {} if encoding is None else {"content_encoding": encoding}
    got = _deliver(client, packed, sign(message, SECRET), **headers)
    assert (got.status, got.json["outcome"]) == (200, "appended")
    assert _stored(shared_database, got.json["position"]) == text.decode()
    again = _deliver(client, text, sign(text, SECRET))
    assert again.json["outcome"] == "duplicate"


def test_a_gzip_webhook_may_have_several_members_and_padding(client: Client) -> None:
    text = encoded(entered("cust_members", "seg_1", at=_AT))
    packed = gzip.compress(text[:50]) + gzip.compress(text[50:]) + bytes(20)
    got = _deliver(client, packed, sign(text, SECRET), content_encoding="gzip")
    assert got.json["outcome"] == "appended"


@pytest.mark.parametrize("headers", [{"content_encoding": "gzip"}, {}], ids=["named", "unnamed"])
def test_an_unsigned_gzip_webhook_is_refused_and_not_stored(
    client: Client, shared_database: Database, headers: dict[str, str]
) -> None:
    before = kept(shared_database)
    packed = gzip.compress(encoded(entered("cust_unsigned", "seg_1", at=_AT)))
    got = _deliver(client, packed, sign(packed, "another"), **headers)
    assert got.refusal == (401, "signature_wrong")
    assert kept(shared_database) == before


BROKEN = {
    "cut off": gzip.compress(b'{"a": 1}')[:-4],
    "no gzip": b'{"a": 1}',
    "more behind it": gzip.compress(b"{}") + b"more",
    "nothing of it": b"\x1f\x8b",
    "a wrong sum": gzip.compress(b"{}", mtime=0)[:-8] + bytes(8),
}


@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_broken_gzip_webhook_is_quarantined_as_it_came_if_it_is_signed(
    client: Client, shared_database: Database, body: bytes
) -> None:
    head, aside = kept(shared_database)
    got = _deliver(client, body, sign(body + b"x", SECRET), content_encoding="gzip")
    assert got.refusal == (400, "body_corrupt")
    assert "Nothing was stored" in got.problem["hint"]
    assert kept(shared_database) == (head, aside)
    got = _deliver(client, body, sign(body, SECRET), content_encoding="gzip")
    assert (got.status, got.json["outcome"]) == (200, "quarantined")
    assert kept(shared_database) == (head, aside + 1)
    with shared_database.reading() as connection:
        newest = select(quarantine.c.body).order_by(quarantine.c.quarantine_id.desc()).limit(1)
        assert connection.execute(newest).scalar_one() == body


def test_an_empty_gzip_webhook_is_quarantined(client: Client) -> None:
    packed = gzip.compress(b"")
    got = _deliver(client, packed, sign(b"", SECRET), content_encoding="gzip")
    assert got.json["outcome"] == "quarantined"


@pytest.mark.parametrize("signed", [True, False])
def test_a_webhook_that_is_a_bomb_is_refused(
    client: Client, shared_database: Database, signed: bool
) -> None:
    before = kept(shared_database)
    bomb = gzip.compress(b" " * 200 * BODY_BYTES_MAX, compresslevel=1)
    assert len(bomb) < BODY_BYTES_MAX
    got = _deliver(client, bomb, sign(bomb if signed else b"", SECRET), content_encoding="gzip")
    assert got.refusal == (413, "body_too_large")
    assert kept(shared_database) == before


def test_a_gzip_webhook_may_be_as_long_as_a_plain_one(client: Client) -> None:
    delivery = created("cust_long", at=_AT, id="evcus_long", name="")
    for more, status in ((0, 200), (1, 413)):
        name = "x" * (BODY_BYTES_MAX - len(encoded(delivery)) + more)
        text = encoded(created("cust_long", at=_AT, id="evcus_long", name=name))
        assert len(text) == BODY_BYTES_MAX + more
        got = _deliver(client, gzip.compress(text), sign(text, SECRET), content_encoding="gzip")
        assert got.status == status


@pytest.mark.parametrize("path", ["/webhooks/voucherify", "/events"])
def test_encodings_in_two_headers_count_both(client: Client, path: str) -> None:
    body = gzip.compress(gzip.compress(b"{}"))
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
    connection.putrequest("POST", path)
    for name, value in (
        ("Content-Encoding", "gzip"),
        ("Content-Encoding", "gzip"),
        ("Content-Length", str(len(body))),
        (SIGNATURE, sign(body, SECRET)),
    ):
        connection.putheader(name, value)
    connection.endheaders(body)
    got = connection.getresponse()
    assert (got.status, json.loads(got.read())["code"]) == (415, "encoding_unknown")
    connection.close()


@pytest.mark.parametrize("signed", ["as it came", "without the mark", "without whitespace"])
def test_a_webhook_with_a_byte_order_mark_is_read_as_ingest_reads_it(
    client: Client, shared_database: Database, signed: str
) -> None:
    delivery = entered(f"cust_mark_{signed}", "seg_1", at=_AT)
    text = json.dumps(delivery).encode()
    message = {"as it came": _MARK + text, "without the mark": text}.get(signed, encoded(delivery))
    got = _deliver(client, _MARK + text, sign(message, SECRET))
    assert (got.status, got.json["outcome"]) == (200, "appended")
    # The mark is no part of the text, as in a file.
    assert _stored(shared_database, got.json["position"]) == text.decode()
    assert client.post("/events", _MARK + text).json["duplicates"] == 1


def test_a_webhook_in_utf_16_is_read_as_ingest_reads_it(
    client: Client, shared_database: Database
) -> None:
    text = json.dumps(entered("cust_utf_16", "seg_é", at=_AT), ensure_ascii=False)
    for charset, message in (
        ("utf-16", text.encode("utf-16")),
        ("utf-16-le", text.encode()),
        ("utf-32", encoded(json.loads(text))),
    ):
        got = _deliver(client, text.encode(charset), sign(message, SECRET))
        if charset == "utf-32":
            # It was signed with another way to write the letter.
            assert got.refusal == (401, "signature_wrong")
            continue
        assert got.status == 200
        assert _stored(shared_database, got.json["position"]) == text


def _events(customer_id: str) -> list[Any]:
    return [entered(customer_id, f"seg_{number}", at=_AT) for number in range(3)]


READ: dict[str, Callable[[bytes], bytes]] = {
    "gzip without a header": lambda text: gzip.compress(text),
    "a byte order mark": lambda text: _MARK + text,
    "UTF-16": lambda text: text.decode().encode("utf-16"),
    "UTF-32": lambda text: text.decode().encode("utf-32"),
    "UTF-16 in gzip": lambda text: gzip.compress(text.decode().encode("utf-16")),
    "one line": lambda text: text.replace(b"\n", b""),
    "one line with commas": lambda text: text.replace(b"\n", b",").removesuffix(b","),
    "one line with record separators": lambda text: text.replace(b"\n", b"\x1e"),
}


@pytest.mark.parametrize("how", READ)
def test_a_body_is_read_as_a_file_is(client: Client, how: str) -> None:
    body = READ[how](ndjson(*_events(f"cust_{how}")))
    got = client.post("/events", body).json
    assert (got["read"], got["appended"]) == (3, 3)


def _zipped(text: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.ndjson", text)
    return file.getvalue()


REFUSED: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "bzip2": (bz2.compress, "a bzip2 file"),
    "xz": (lzma.compress, "an xz file"),
    "zip": (_zipped, "a zip archive"),
    "gzip twice": (lambda text: gzip.compress(gzip.compress(text)), "a gzip file in a gzip file"),
    "zstd": (lambda text: b"\x28\xb5\x2f\xfd" + text, "a Zstandard file"),
    "parquet": (lambda text: b"PAR1" + text, "a Parquet file"),
    "a PDF in gzip": (lambda text: gzip.compress(b"%PDF-1.4\n" + text), "a PDF document"),
}


@pytest.mark.parametrize("how", REFUSED)
def test_a_body_of_another_format_is_refused_by_name_and_not_stored(
    client: Client, shared_database: Database, how: str
) -> None:
    before = kept(shared_database)
    encode, what = REFUSED[how]
    body = encode(ndjson(*_events(f"cust_{how}")))
    got = client.post("/events", body)
    assert got.refusal == (415, "format_unreadable")
    assert f"The body is {what}" in got.problem["detail"]
    assert "NDJSON or JSON" in got.problem["hint"]
    assert kept(shared_database) == before


def test_a_signed_webhook_of_another_format_is_quarantined(client: Client) -> None:
    for body in (bz2.compress(b"{}"), b"%PDF-1.4\n", gzip.compress(gzip.compress(b"{}"))):
        got = client.deliver(body, SECRET)
        assert (got.status, got.json["outcome"]) == (200, "quarantined")


@pytest.mark.parametrize("encoding", ["identity", "", " , ", "Identity,identity"])
def test_no_encoding_has_several_names(client: Client, encoding: str) -> None:
    body = encoded(entered(f"cust_identity_{encoding}", "seg_1", at=_AT))
    got = client.deliver(body, SECRET, content_encoding=encoding)
    assert got.json["outcome"] == "appended"
    assert client.post("/events", body, content_encoding=encoding).json["duplicates"] == 1
