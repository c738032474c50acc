"""Text is UTF-8: what a database could not store is refused before anything is written."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from projector import open_projector
from projector.errors import DatabaseUnreachable, EncodingUnsuitable
from tests.support.command import run_program
from tests.support.given import updated
from tests.support.http_client import ndjson
from tests.support.items import read_log
from tests.support.postgres import Server
from tests.support.server_process import SECRET, serving
from tests.support.tasks import administering, filled

#: A name that no one-byte encoding of western Europe has.
_NAME = "Łukasz 田中"


@pytest.fixture(params=["LATIN1", "SQL_ASCII", "EUC_JP"])
def encoding(request: pytest.FixtureRequest) -> str:
    """An encoding that is not UTF-8."""
    name: str = request.param
    return name


@pytest.fixture
def other_url(postgres_server: Server, encoding: str) -> Iterator[str]:
    """The URL of an empty database in this encoding."""
    with postgres_server.database(encoding=encoding) as url:
        yield url


@pytest.fixture
def turned_url(migrated_postgres_url: str, encoding: str) -> str:
    """The URL of a database that was filled before it had this encoding."""
    filled(migrated_postgres_url, 3)
    with administering(migrated_postgres_url) as admin:
        admin.execute(
            "UPDATE pg_database SET encoding = pg_char_to_encoding(%s) WHERE datname = %s",
            [encoding, admin.info.dbname],
        )
    return migrated_postgres_url


def test_a_database_in_another_encoding_is_not_migrated(
    other_url: str, encoding: str, tmp_path: Path
) -> None:
    done = run_program(tmp_path, "migrate", "--db", other_url)
    assert done.code == 4
    assert done.failed_in_a_sentence
    assert f"its encoding is {encoding}" in done.err
    assert "ENCODING 'UTF8'" in done.err
    with administering(other_url) as admin:
        assert admin.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        ).fetchone() == (0,)


def test_a_database_that_got_another_encoding_takes_no_batch_and_loses_none(
    turned_url: str, encoding: str
) -> None:
    """Half of a batch would be as wrong as a name that is not the one that came."""
    batch = [updated("cust_1", at="2024-03-02T10:00:00Z", name=name) for name in ("Ada", _NAME)]
    with open_projector(turned_url) as projector:
        before = read_log(projector.database)
        with pytest.raises(EncodingUnsuitable, match=encoding):
            projector.ingest([ndjson(*batch)])
        assert read_log(projector.database) == before
        # What is ASCII can still be asked for, and what was there can still be read.
        assert projector.customer("cust_1").customer_id == "cust_1"
        assert projector.verify(sample=0).log == ()


def test_a_question_with_a_character_that_the_database_lacks_fails_in_a_sentence(
    migrated_postgres_url: str,
) -> None:
    filled(migrated_postgres_url, 3)
    with administering(migrated_postgres_url) as admin:
        admin.execute(
            "UPDATE pg_database SET encoding = pg_char_to_encoding('LATIN1') WHERE datname = %s",
            [admin.info.dbname],
        )
    with open_projector(migrated_postgres_url) as projector, pytest.raises(DatabaseUnreachable):
        projector.customer(_NAME)


def test_a_server_on_such_a_database_answers_503_so_that_the_sender_tries_again(
    migrated_postgres_url: str, tmp_path: Path
) -> None:
    with administering(migrated_postgres_url) as admin:
        admin.execute(
            "UPDATE pg_database SET encoding = pg_char_to_encoding('LATIN1') WHERE datname = %s",
            [admin.info.dbname],
        )
    with serving(tmp_path, migrated_postgres_url) as server:
        told = server.client.deliver(
            updated("cust_1", at="2024-03-02T10:00:00Z", name=_NAME), SECRET
        )
        assert told.status == 503
        assert "Traceback" not in server.told


def test_every_script_is_stored_whatever_encoding_the_client_is_set_to(
    migrated_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with open_projector(migrated_postgres_url) as projector:
        projector.ingest([ndjson(updated("cust_1", at="2024-03-02T10:00:00Z", name=_NAME))])
        projector.catch_up()
        assert projector.customer("cust_1").name == _NAME
