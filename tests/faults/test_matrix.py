"""Every fault at every step, on both databases: afterwards the laws hold, and hold again."""

import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest
from attrs import evolve
from sqlalchemy import make_url

from projector.projections import discover
from projector.store.database import Database
from tests.faults import forgetting, laws
from tests.faults.disturbed import ended, stopped_at
from tests.faults.matrix import CASES, Case
from tests.faults.prepared import OPERATIONS, Prepared, program, until_it_answers
from tests.faults.proxy import Proxy, proxied
from tests.support.command import Done
from tests.support.databases import dead_letters, positions, stored

pytestmark = pytest.mark.timeout(600)

#: Whoever that is: not root.
_NOBODY = 65_534


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that every user may reach, also for what goes where temporary files go."""
    path = Path(tempfile.mkdtemp(prefix="projector-faults-", dir="/tmp"))
    path.chmod(0o755)
    (path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(path / "tmp"))
    yield path
    shutil.rmtree(path)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_laws_hold_after_every_fault(
    case: Case, prepared: Prepared, folder: Path, record_property: Callable[[str, object], None]
) -> None:
    with ExitStack() as stack:
        proxy = None
        direct = url = prepared.copy(case.operation, case.database, folder)
        if case.database == "postgres":
            stack.callback(prepared.server.drop_database, url)
            proxy = stack.enter_context(proxied("127.0.0.1", prepared.server.admin.port or 0))
            url = _through(proxy, url)
        # The program goes through the proxy, and who looks at what it did does not.
        database = stack.enter_context(closing(Database(direct)))
        before = _live(database)
        database.close()
        done, acknowledged = _struck(
            case, url, prepared, proxy, folder, partial(prepared.work, direct)
        )
        record_property("fault", case.kind.name)
        until_it_answers(database)
        _ended_as_it_may(case, done)
        if case.operation == "forget":
            _erased_or_not(database, url, prepared)
        else:
            laws.hold_now(database, prepared.sent, acknowledged)
            if case.leaves_tables and done.code != 0:
                assert _live(database) == before
            database.close()
            _run_again(case, url, prepared)
            laws.hold_whole(database, prepared.sent, acknowledged, prepared.reference)
        assert [*(folder / "tmp").iterdir()] == []
        with prepared.fresh(case.operation, case.database) as fresh:
            laws.same_schema(database, fresh)


def _struck(
    case: Case,
    url: str,
    prepared: Prepared,
    proxy: Proxy | None,
    folder: Path,
    somebody_works: Callable[[], None],
) -> tuple[Done, list[laws.Acknowledged]]:
    """Run the program, and let the fault strike at its step."""
    operation = OPERATIONS[case.operation]
    more = operation.environment(prepared)
    with ExitStack() as taken:
        if case.step.at == "start":
            more["FAULTS_UID"] = str(_NOBODY)
            taken.callback(_allow, folder)
            _forbid(folder, case.kind.name)
        running = stopped_at(
            case.step,
            operation.arguments(prepared),
            url=url,
            nursery=prepared.nursery,
            server=prepared.server,
            proxy=proxy,
            folder=folder,
            more=more,
            somebody_works=somebody_works,
        )
        with running as (it, mail):
            case.kind.strike(it, taken)
            done, acknowledged = ended(it, mail)
            assert it.must_be_so(), "it did not strike"
    return done, acknowledged


def _forbid(folder: Path, what: str) -> None:
    path = folder / "projector.db"
    path.chmod(0o444 if what == "file read-only" else 0o666)
    folder.chmod(0o777 if what == "file read-only" else 0o555)


def _allow(folder: Path) -> None:
    (folder / "projector.db").chmod(0o644)
    folder.chmod(0o755)


def _ended_as_it_may(case: Case, done: Done) -> None:
    """Killed; or with a sentence and a hint; or, where it may get by, as if nothing had been."""
    if case.kind.kills:
        assert done.code == -signal.SIGKILL
    elif case.kind.is_harmless:
        assert (done.code, done.err) == (0, "")
    elif case.kind.may_survive(case.step) and done.code == 0:
        assert done.err == ""
    elif case.operation == "forget" and done.code == 1:
        # Erased, but not purged.
        assert done.json["position"], done
        assert done.json["purge_problem"], done
        assert done.err == "", done
    else:
        assert done.code == 4, done
        # `ingest` reports what is in the log, even if the tables could not follow.
        assert done.out == "" or done.json["appended"] >= 0, done
        assert evolve(done, out="").failed_in_a_sentence, done
        assert "\nhint: " in done.err, done


def _live(database: Database) -> tuple[object, ...]:
    """The tables that everybody reads, and what belongs to them."""
    marks = {name: at for name, at in positions(database).items() if "shadow" not in name}
    return (
        stored(database),
        marks,
        [each for each in dead_letters(database) if "shadow" not in each[0]],
    )


def _run_again(case: Case, url: str, prepared: Prepared) -> None:
    """What anybody would do: the same once more, and to be sure a rebuild and a look."""
    engine = "parallel" if "parallel" in case.operation else "in-process"
    read = program("ingest", str(prepared.file), url=url)
    rebuilt = program("rebuild", "--engine", engine, "--workers", "2", url=url)
    outcomes = ("appended", "duplicates", "conflicts", "quarantined")
    assert read["read"] == sum(read[each] for each in outcomes) == len(prepared.sent.lines)
    assert read["conflicts"] == len(prepared.sent.conflicting)
    assert read["quarantined"] == len(prepared.sent.unreadable)
    assert read["head"] == len(prepared.sent.first)
    # 2: what the projector wrote is what a rebuild writes.
    assert [each["matched"] for each in rebuilt["rebuilt"]] == [True] * len(discover())


def _erased_or_not(database: Database, url: str, prepared: Prepared) -> None:
    """It is whole or not there; and once more makes it whole, for a rebuild, too."""
    was_erased = forgetting.hold_now(database, prepared.forgotten)
    database.close()
    done = program("forget", *prepared.forgotten, "--yes", url=url)
    assert done["already"] == (1 if was_erased else None)
    program("ingest", str(prepared.nothing), url=url)
    forgetting.hold_whole(database, prepared.forgotten)
    rebuilt = program("rebuild", "--engine", "in-process", url=url)
    assert [each["matched"] for each in rebuilt["rebuilt"]] == [True] * len(discover())
    forgetting.hold_whole(database, prepared.forgotten)


def _through(proxy: Proxy, url: str) -> str:
    query = {"sslmode": "disable", "gssencmode": "disable"}
    through = make_url(url).set(host="127.0.0.1", port=proxy.port).update_query_dict(query)
    return through.render_as_string(hide_password=False)
