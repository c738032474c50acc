"""After a purge, no file of a SQLite database has a text of an erased customer."""

from pathlib import Path

from projector.store.database import Database
from projector.store.erasure.purge import purge
from tests.forensic.persons import GONE, erased_ids, fill, persons_in
from tests.support.erasing import erase


def test_a_purge_leaves_no_text_of_an_erased_customer_in_any_file(
    sqlite_database: Database, tmp_path: Path
) -> None:
    """Stage by stage: before, after the commit, after the purge, in a dump."""
    fill(sqlite_database)
    persons = len(erased_ids())
    assert persons_in(tmp_path.rglob("*")) == persons
    erase(sqlite_database, erased_ids(), GONE)
    assert persons_in(tmp_path.rglob("*")) == persons
    purge(sqlite_database)
    from tests.forensic.persons import found_in

    print({k: sum(v.values()) for k, v in found_in(tmp_path.rglob("*")).items()})
    assert persons_in(tmp_path.rglob("*")) == 0
