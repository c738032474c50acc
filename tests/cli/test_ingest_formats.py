"""`ingest` of files that are no plain UTF-8: what can be read is, the rest is named and refused."""

import bz2
import io
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Cli, lines
from tests.support.given import created


def _born(number: int) -> dict[str, Any]:
    return created(f"cust_{number}", at="2024-01-01T00:00:00Z", name=f"Zoë {number}")


_MANY = lines(*map(_born, range(20)))


def _utf(charset: str) -> Callable[[bytes], bytes]:
    return lambda text: ("\ufeff" + text.decode()).encode(charset)


def _zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


READABLE: dict[str, Callable[[bytes], bytes]] = {
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "UTF-16, little endian": _utf("utf-16-le"),
    "UTF-16, big endian": _utf("utf-16-be"),
    "UTF-32": _utf("utf-32-le"),
    "UTF-16 in bzip2": lambda text: bz2.compress(_utf("utf-16-le")(text)),
    "zip": lambda text: _zipped(("deliveries.ndjson", text)),
    "zip, stored": lambda text: _zipped(("x", text), method=zipfile.ZIP_STORED),
    "UTF-16 in zip": lambda text: _zipped(("deliveries.ndjson", _utf("utf-16-le")(text))),
}


@pytest.mark.parametrize("source", ["a file", "standard input"])
@pytest.mark.parametrize("encode", READABLE.values(), ids=READABLE)
def test_files_are_read_whatever_they_are_packed_or_encoded_by(
    cli: Cli, folder: Path, encode: Callable[[bytes], bytes], source: str
) -> None:
    (folder / "file").write_bytes(encode(_MANY))
    if source == "a file":
        done = cli("ingest", "file", "--json")
    else:
        done = cli("ingest", "-", "--json", stdin=encode(_MANY))
    assert (done.json["appended"], done.json["quarantined"]) == (20, 0)
    assert cli("customer", "cust_7", "--json").json["name"] == "Zoë 7"


def test_all_files_of_a_zip_are_read_but_those_of_macos(cli: Cli, folder: Path) -> None:
    one, two, three = (lines(_born(number)) for number in range(3))
    content = _zipped(
        ("a.ndjson", one.rstrip()),
        ("folder/", b""),
        ("folder/deeper/b.json", b"[" + two.rstrip() + b"]"),
        ("__MACOSX/folder/._b.json", b"\0\5\x16\7"),
        ("folder/.DS_Store", b"\0\0\0\1Bud1"),
        ("empty.ndjson", b""),
        ("c.ndjson", three),
    )
    (folder / "many.zip").write_bytes(content)
    done = cli("ingest", "many.zip", "--json")
    assert (done.json["read"], done.json["appended"]) == (3, 3)


def test_a_document_does_not_continue_in_the_next_file_of_a_zip(cli: Cli, folder: Path) -> None:
    one, two = (lines(_born(number)).rstrip() for number in range(2))
    (folder / "x.zip").write_bytes(_zipped(("a", one[:-20]), ("b", two)))
    done = cli("ingest", "x.zip", "--json")
    assert (done.json["appended"], done.json["quarantined"]) == (1, 1)


def _encrypted() -> bytes:
    """A zip whose first file claims to be encrypted; Python writes none."""
    content = bytearray(_zipped(("a", b"{}")))
    for magic, at in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(magic) + at] |= 1
    return bytes(content)


def _overlapping() -> bytes:
    """A zip with a file that is listed twice."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(10_000))
        archive.filelist.append(archive.filelist[0])
    return file.getvalue()


REFUSED = {
    "zstd": (b"\x28\xb5\x2f\xfd" + _MANY, "a Zstandard file"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + _MANY, "a 7z archive"),
    "parquet": (b"PAR1" + _MANY, "a Parquet file"),
    "sqlite": (b"SQLite format 3\0" + _MANY, "a SQLite database"),
    "pdf": (b"%PDF-1.4\n" + _MANY, "a PDF document"),
    "bzip2 twice": (bz2.compress(bz2.compress(_MANY)), "a bzip2 file in a bzip2 file"),
    "xlsx": (
        _zipped(("[Content_Types].xml", b"<Types/>"), ("xl/workbook.xml", b"<workbook/>")),
        "an Office document (such as .xlsx)",
    ),
    "an empty zip": (_zipped(), "a zip archive without a file"),
    "a zip of folders": (_zipped(("a/", b"")), "a zip archive without a file"),
    "an encrypted zip": (_encrypted(), "a zip archive whose file 'a' is encrypted"),
    "a zip packed by xz": (
        _zipped(("a", b"{}"), method=zipfile.ZIP_LZMA),
        "a zip archive whose file 'a' is not deflated",
    ),
    "a zip that overlaps": (_overlapping(), "a zip archive whose files overlap"),
    "a zip in a zip": (_zipped(("a", _MANY), ("b.zip", _zipped(("b", _MANY)))), "a zip archive"),
    "a picture in a zip": (_zipped(("a", _MANY), ("b.png", b"\x89PNG\r\n\x1a\n")), "a picture"),
}


@pytest.mark.parametrize("source", ["a file", "standard input"])
@pytest.mark.parametrize(("content", "what"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_read_is_named_and_nothing_of_it_is_stored(
    cli: Cli, folder: Path, content: bytes, what: str, source: str
) -> None:
    (folder / "file").write_bytes(content)
    done = cli("ingest", "file") if source == "a file" else cli("ingest", "-", stdin=content)
    assert done.code == 2
    assert done.failed_in_a_sentence
    assert f" is {what}, which cannot be read" in " ".join(done.err.split())
    status = cli("status", "--json").json
    assert (status["head"], status["quarantine"]) == (0, {})


@pytest.mark.parametrize("cut", [10, -30, -5])
def test_a_broken_zip_ends_in_a_sentence(cli: Cli, folder: Path, cut: int) -> None:
    (folder / "cut.zip").write_bytes(_zipped(("a.ndjson", _MANY))[:cut])
    done = cli("ingest", "cut.zip")
    assert done.code == 1
    assert done.failed_in_a_sentence
    assert "cut.zip is corrupt or truncated" in done.err


def test_the_files_of_a_zip_before_a_broken_one_are_in_the_log(cli: Cli, folder: Path) -> None:
    other = lines(_born(99))
    content = _zipped(("a", _MANY), ("b", other), method=zipfile.ZIP_STORED)
    (folder / "x.zip").write_bytes(content.replace(other, other.replace(b"Zo", b"zo")))
    done = cli("ingest", "x.zip")
    assert done.code == 1
    assert "x.zip (b) is corrupt" in " ".join(done.err.split())
    assert cli("status", "--json").json["head"] >= 20


def test_half_a_character_in_utf_16_quarantines_its_delivery_alone(cli: Cli, folder: Path) -> None:
    text = "\ufeff" + lines(_born(1), _born(2), _born(3)).decode().replace(r"\u00eb 2", "\ud800")
    (folder / "x").write_bytes(text.encode("utf-16-le", "surrogatepass"))
    done = cli("ingest", "x", "--json")
    assert (done.json["appended"], done.json["quarantined"]) == (2, 1)


def test_text_behind_a_packed_file_is_reported(cli: Cli, folder: Path) -> None:
    (folder / "x.bz2").write_bytes(bz2.compress(_MANY) + lines(_born(99)))
    assert cli("ingest", "x.bz2").code == 1
    assert cli("status", "--json").json["head"] == 20
