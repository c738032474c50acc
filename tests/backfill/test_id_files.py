"""Files that name customers: lines and CSV, as programs write them."""

from pathlib import Path

import pytest

from projector.backfill.id_files import IdFile
from projector.errors import BadIdentifier, FileUnreadable, FormatUnreadable, ProjectorError


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        (b"", []),
        (b"cust_1\n\n  shop 7 \r\ncust_2", ["cust_1", "shop 7", "cust_2"]),
        (b"\xef\xbb\xbfcust_1\n", ["cust_1"]),
        (b"id\ncust_1\ncust_2\n", ["cust_1", "cust_2"]),
        (b"id,\n", []),
        (b'Name,"Source_ID"\n"Lee, Ann",7\nBo,\nCy\n', ["7"]),
        (b'source_id,id\n"a\nb",cust_1\n', ["cust_1"]),
        (b"idx\ncust_1\n", ["idx", "cust_1"]),
        ("id\ncust_1\n".encode("utf-16"), ["cust_1"]),
        ("Zo\u00eb\n".encode(), ["Zo\u00eb"]),
    ],
)
def test_ids_are_read_as_often_as_they_are_needed(
    tmp_path: Path, content: bytes, ids: list[str]
) -> None:
    (tmp_path / "ids").write_bytes(content)
    file = IdFile(str(tmp_path / "ids"))
    assert file.count == len(ids)
    assert [*file.read()] == [*file.read()] == ids
    file.close()


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"\xff\xfa\n", BadIdentifier),
        (b"x" * 201, BadIdentifier),
        (b"x" * 1_000_000, BadIdentifier),
        (b"a\x00b\n", BadIdentifier),
        (b"%PDF-1.7\n", FormatUnreadable),
        (b'id,name\n"' + b"x" * 200_000, FileUnreadable),
    ],
    ids=["not UTF-8", "too long", "no lines", "NUL", "PDF", "an endless quote"],
)
def test_what_names_no_customers_is_refused(
    tmp_path: Path, content: bytes, error: type[ProjectorError]
) -> None:
    (tmp_path / "ids").write_bytes(content)
    with pytest.raises(error):
        IdFile(str(tmp_path / "ids"))


def test_a_file_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable):
        IdFile(str(tmp_path / "none"))
