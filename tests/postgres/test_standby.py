"""A hot standby answers every question, and says what to do when it is asked to write."""

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from projector import open_projector
from projector.errors import DatabaseReadOnly
from tests.support.command import run_program
from tests.support.databases import migrated
from tests.support.given import append_webhooks, entered
from tests.support.postgres import Server, running_server
from tests.support.server_process import SECRET, serving
from tests.support.standby import running_standby, until_replayed
from tests.support.tasks import answers, filled, ingest, opened

pytestmark = pytest.mark.external


@attrs.frozen
class _Pair:
    primary: Server
    standby: Server
    #: The URL of a filled database on the primary, and on the standby.
    url: str
    standby_url: str

    def follow(self) -> None:
        until_replayed(self.primary, self.standby)


@pytest.fixture(scope="module")
def pair() -> Iterator[_Pair]:
    """A primary of our own with a filled database, and its standby."""
    with running_server(own=True) as primary:
        url = primary.create_database()
        with migrated(url) as database:
            filled(url)
            # Appended, and not projected: the next process that may write does that.
            append_webhooks(database, entered("cust_new", "seg_9", at="2024-03-01T10:00:00Z"))
        name = url.rpartition("/")[2]
        with running_standby(primary) as standby:
            pair = _Pair(primary, standby, url, standby.url(name))
            pair.follow()
            yield pair


def test_every_question_is_answered_as_on_the_primary(pair: _Pair) -> None:
    with open_projector(pair.url) as here, open_projector(pair.standby_url) as there:
        assert answers(there) == answers(here)


def test_what_is_written_on_the_primary_can_be_asked_for_on_the_standby(pair: _Pair) -> None:
    with opened(pair.url) as database, open_projector(pair.standby_url) as there:
        before = there.status().head
        append_webhooks(database, entered("cust_later", "seg_9", at="2024-03-01T10:00:00Z"))
        pair.follow()
        assert there.status().head == before + 1


def test_writes_are_refused_with_the_way_out(pair: _Pair, tmp_path: Path) -> None:
    with open_projector(pair.standby_url) as there:
        for write in (ingest, lambda it: it.rebuild(), lambda it: it.catch_up()):
            with pytest.raises(DatabaseReadOnly):
                write(there)
    (tmp_path / "events.ndjson").write_text("{}")
    for command in (["ingest", "events.ndjson"], ["rebuild"]):
        done = run_program(tmp_path, *command, "--db", pair.standby_url)
        assert (done.code, done.failed_in_a_sentence) == (4, True), command
        assert "URL of the primary" in done.err


def test_a_server_on_a_standby_answers_questions_and_refuses_webhooks(
    pair: _Pair, tmp_path: Path
) -> None:
    with serving(tmp_path, pair.standby_url, "--no-follower") as server:
        assert server.client.get("/customers/cust_1").status == 200
        webhook = entered("cust_1", "seg_2", at="2024-03-01T10:00:00Z")
        assert server.client.deliver(webhook, SECRET).status == 503
        assert "Traceback" not in server.told
