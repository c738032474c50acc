"""A rebuild on a cluster gives the tables of a rebuild in one process."""

from tests.spark.archived import Archived, differences
from tests.spark.conftest import ARCHIVED_EVENTS, EVENTS
from tests.support.databases import Contents
from tests.support.spark import Cluster


def test_the_tables_are_those_of_a_rebuild_in_one_process(
    cluster: Cluster, archived: Archived, expected: Contents
) -> None:
    """Rows, dead letters, sizes of groups, snapshots, digests; the tail is folded by the runner."""
    assert differences(archived.contents(), expected) == "", "in one process, on both databases"
    bounds = archived.bounds()
    archived.mark()
    done = archived.rebuild(cluster, "--partitions", "5")
    assert (done.code, done.err) == (0, "")
    assert differences(archived.contents(), expected) == ""
    for key, (complete_at, tail_after) in archived.bounds().items():
        # In one process, they also count events that the projection does not read.
        assert complete_at <= bounds[key][0]
        assert tail_after <= bounds[key][1]
    assert [(each["position"], each["matched"]) for each in done.json["rebuilt"]] == [
        (EVENTS, True)
    ] * len(done.json["rebuilt"])
    assert (done.json["engine"], done.json["engine_position"]) == ("spark", ARCHIVED_EVENTS)
    assert done.json["events"] == EVENTS
    assert done.json["found_leftovers"] is False
    assert archived.left() == []


def test_a_dry_run_leaves_the_tables_as_they_are(
    cluster: Cluster, sqlite_archived: Archived, expected: Contents
) -> None:
    sqlite_archived.mark()
    before = sqlite_archived.contents()
    done = sqlite_archived.rebuild(cluster, "--dry-run")
    assert (done.code, done.err) == (0, "")
    assert done.json["swapped"] is False
    marked = [row for row in before["customer"] if "'marked'" in row]
    changes = {
        each["name"]: (each["rows_new"], each["rows_gone"]) for each in done.json["impact"]["rows"]
    }
    assert changes.pop("customer") == (len(marked), len(marked))
    assert {*changes.values()} == {(0, 0)}
    assert differences(sqlite_archived.contents(), before) == ""
    assert sqlite_archived.left() == []
    assert sqlite_archived.command("rebuild", "customer").code == 0
    assert differences(sqlite_archived.contents(), expected) == ""
