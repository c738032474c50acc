"""A question creates no database: it says that there is none, or that it cannot be read."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest
from alembic import command

from projector import open_projector
from projector.errors import DatabaseEmpty, DatabaseMissing, NotMigrated
from projector.store import schema
from projector.store.database import Database
from tests.cli.conftest import Cli, Write
from tests.support.given import created

_BORN = created("cust_1", at="2024-01-01T00:00:00Z")

QUESTIONS = [
    ["customer", "cust_1"],
    ["dead-letters"],
    ["dead-letters", "retry", "--all"],
    ["export", "customers"],
    ["log", "checkpoint", "--key", "log.key"],
    ["log", "prove", "1", "--checkpoint", "checkpoint"],
    ["log", "verify"],
    ["members", "--segment", "seg_1"],
    ["quarantine"],
    ["quarantine", "show", "1"],
    ["quarantine", "retry", "--all"],
    ["rebuild"],
    ["rebuild", "--dry-run"],
    ["rebuild", "--customer", "cust_1"],
    ["segments"],
    ["status"],
    ["status", "--json"],
    ["tiers"],
    ["token", "list"],
    ["token", "revoke", "x"],
    ["verify"],
    ["why", "cust_1", "--segment", "seg_1"],
    ["backup", "copy.db"],
]


def _contents(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir() if each.name != "stdin"}


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_a_question_to_no_database_says_so_and_creates_none(
    cli: Cli, folder: Path, question: list[str]
) -> None:
    done = cli(*question, "--db", "sqlite:///projektor.db")
    assert done.code == 4
    assert done.failed_in_a_sentence
    assert "There is no database projektor.db." in done.err
    assert "`projector ingest`" in done.err
    assert _contents(folder) == {}


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_a_question_to_an_empty_file_says_so_and_leaves_it_empty(
    cli: Cli, folder: Path, question: list[str]
) -> None:
    (folder / "projector.db").touch()
    done = cli(*question)
    assert done.code == 4
    assert done.failed_in_a_sentence
    assert "empty" in done.err
    assert _contents(folder) == {"projector.db": b""}


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
@pytest.mark.parametrize("content", [b"hello, world\n" * 1000, b"SQLite format 3\0x" * 1000])
def test_a_question_to_a_file_that_is_no_database_leaves_it_alone(
    cli: Cli, folder: Path, question: list[str], content: bytes
) -> None:
    (folder / "projector.db").write_bytes(content)
    done = cli(*question)
    assert done.code == 4
    assert done.failed_in_a_sentence
    assert _contents(folder) == {"projector.db": content}


@pytest.mark.parametrize("url", ["sqlite:///.", "sqlite:////tmp", "sqlite:///none/projector.db"])
@pytest.mark.parametrize("call", [["status"], ["verify"], ["migrate"], ["ingest", "-"]])
def test_a_folder_is_no_database(cli: Cli, call: list[str], url: str) -> None:
    done = cli(*call, "--db", url)
    assert done.code == 4
    assert done.failed_in_a_sentence
    assert "folder" in done.err


def test_an_empty_file_becomes_a_database_of_a_writer(cli: Cli, folder: Path, write: Write) -> None:
    (folder / "projector.db").touch()
    assert cli("ingest", write(_BORN)).code == 0
    assert cli("status", "--json").json["head"] == 1


def test_the_first_token_is_made_before_the_first_start(cli: Cli, folder: Path) -> None:
    done = cli("token", "create", "shop", "--scope", "read")
    assert done.code == 0
    assert "in sqlite:///projector.db." in done.err
    assert [each.name for each in folder.glob("*.db")] == ["projector.db"]


def test_the_name_may_be_a_uri(cli: Cli, write: Write, folder: Path) -> None:
    url = "sqlite:///file:my%20projector.db?uri=true"
    assert cli("status", "--db", url).code == 4
    assert cli("ingest", write(_BORN), "--db", url).code == 0
    assert cli("status", "--db", url, "--json").json["head"] == 1
    assert cli("status", "--db", f"{url}&mode=ro", "--json").json["head"] == 1
    assert (folder / "my projector.db").stat().st_mode & 0o007 == 0


def test_an_older_schema_is_migrated_by_a_writer_and_not_by_a_question(
    cli: Cli, write: Write
) -> None:
    cli("ingest", write(_BORN))
    _downgrade("sqlite:///projector.db", "0003")
    for question in QUESTIONS[:-1]:
        done = cli(*question)
        assert done.code == 4
        assert "revision 0003" in done.err
        assert "`projector migrate`" in done.err
    assert cli("backup", "copy.db", "--json").json["head"] == 1
    assert cli("ingest", write(_BORN)).code == 0
    assert cli("status").code == 0


def test_the_library_creates_a_database_by_the_first_write(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'projector.db'}"
    with open_projector(url) as projector:
        for question in (projector.status, projector.verify, projector.catch_up, projector.tiers):
            with pytest.raises(DatabaseMissing, match=r"projector\.db"):
                question()
        assert _contents(tmp_path) == {}
        projector.ingest([b""])
        assert projector.status().head == 0


def test_the_library_creates_a_database_at_once_if_told_so(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'projector.db'}"
    with open_projector(url, create=True) as projector:
        assert projector.status().head == 0


def test_the_library_reports_an_empty_and_an_older_database(
    migrated_sqlite_url: str, tmp_path: Path
) -> None:
    (tmp_path / "empty.db").touch()
    with (
        open_projector(f"sqlite:///{tmp_path / 'empty.db'}") as projector,
        pytest.raises(DatabaseEmpty),
    ):
        projector.status()
    _downgrade(migrated_sqlite_url, "0004")
    with open_projector(migrated_sqlite_url) as projector:
        with pytest.raises(NotMigrated, match="0004"):
            projector.status()
        projector.follower()
        assert projector.status().head == 0


def _downgrade(url: str, revision: str) -> None:
    with closing(Database(url)) as database, database.writing() as connection:
        command.downgrade(schema.alembic_config(connection), revision)


# A copy of the file alone.


def test_a_copy_without_its_log_is_no_empty_database(cli: Cli, folder: Path, write: Write) -> None:
    """As `cp` makes it of a database that is in use: its tables may still be in the -wal file."""
    with open_projector("sqlite:///projector.db") as projector:
        projector.ingest([b""])
        shutil.copy("projector.db", "copy.db")
    before = (folder / "copy.db").read_bytes()
    for call in (*QUESTIONS[:-1], ["ingest", write(_BORN)], ["migrate"], ["serve"], ["run"]):
        done = cli(*call, "--db", "sqlite:///copy.db")
        assert done.code == 4
        assert "copy.db-wal" in done.err
        assert "`projector backup`" in done.err
    assert (folder / "copy.db").read_bytes() == before


def test_a_database_whose_creation_was_interrupted_is_no_copy(cli: Cli, write: Write) -> None:
    url = "sqlite:///projector.db"
    with pytest.raises(KeyboardInterrupt):
        _create_and_interrupt(url)
    assert "is empty" in cli("status").err
    assert cli("ingest", write(_BORN)).code == 0


def _create_and_interrupt(url: str) -> None:
    with closing(Database(url)) as database, database.creating(), database.writing():
        raise KeyboardInterrupt
