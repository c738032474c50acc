"""The command that removes erased bytes from the files of a database."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from projector.store.database import Database
from projector.store.erasure import purge_postgres, purge_sqlite
from tests.cli.conftest import Cli
from tests.support.purging import erase_without_purge, unpurged


@pytest.fixture
def erased(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A database with an erasure that was not purged, which commands find."""
    for module in (purge_sqlite, purge_postgres):
        monkeypatch.setattr(module, "READERS_SECONDS_MAX", 0)
    with closing(Database(migrated_url)) as database:
        erase_without_purge(database)
        monkeypatch.setenv("PROJECTOR_DATABASE_URL", migrated_url)
        yield database


def test_it_purges_and_lists_what_is_left(cli: Cli, erased: Database) -> None:
    done = cli("purge")
    assert done.code == 0
    first, second, *left = done.out.splitlines()
    assert first.startswith("Purged (erasures: 1);")
    assert second == "This is left to you:"
    assert any("let them expire" in each for each in left)
    assert unpurged(erased) == []
    again = cli("purge").out.splitlines()[0]
    assert again.startswith("Purged (no erasure waited for it);")


def test_it_prints_one_document(cli: Cli, erased: Database) -> None:
    printed = cli("purge", "--json").json
    assert set(printed) == {"purged_at", "erasures", "full", "cleaned_bytes", "left"}
    assert printed["erasures"] == [1]
    # A small SQLite file is always written anew.
    assert printed["full"] == erased.is_sqlite


def test_a_purge_that_a_reader_hinders_is_told_by_exit_code_1(cli: Cli, erased: Database) -> None:
    with erased.reading() as reader:
        reader.exec_driver_sql("SELECT count(*) FROM event")
        if not erased.is_sqlite:
            # Of before the erasure.
            with erased.writing() as connection:
                connection.exec_driver_sql("UPDATE erasure SET purged_at = NULL")
        done = cli("purge")
    assert done.code == 1
    assert done.failed_in_a_sentence
    assert "is still in the files" in done.err
    assert unpurged(erased) == [1]


def test_a_full_purge_says_what_it_writes_anew_and_wants_to_be_confirmed(
    cli: Cli, erased: Database
) -> None:
    refused = cli("purge", "--full")
    assert refused.code == 2
    assert "bytes in all, and keeps writers out meanwhile." in " ".join(refused.err.split())
    assert ("projector.db: " if erased.is_sqlite else "event: ") in refused.err
    assert "--yes" in refused.err
    assert unpurged(erased) == [1]
    done = cli("purge", "--full", "--yes", "--json")
    assert (done.code, done.json["full"]) == (0, True)
    assert done.json["cleaned_bytes"] > 100_000
    assert "purge --full" not in done.out
    assert unpurged(erased) == []
