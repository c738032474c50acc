"""The archive may be in an object store, which executors reach by variables of their own."""

from pathlib import Path

import pytest

from replay.archive import shelf
from tests.spark.archived import Archived, differences
from tests.support.object_store import running_store
from tests.support.spark import Cluster


def test_an_archive_in_an_object_store(
    cluster: Cluster, small: Archived, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = small.rebuild_in_one_process()
    small.mark()
    with running_store(tmp_path) as store:
        archived = small.elsewhere(store.url, store.variables)
        archived.archive_ranges(100)
        for_executors = [
            word
            for name, value in store.variables.items()
            for word in ("--spark-conf", f"spark.executorEnv.{name}={value}")
        ]
        done = archived.rebuild(cluster, "--partitions", "3", *for_executors)
        assert (done.code, done.err) == (0, "")
        assert done.json["engine_position"] == 400
        assert differences(archived.contents(), expected) == ""
        with monkeypatch.context() as patched:
            for name, value in store.variables.items():
                patched.setenv(name, value)
            assert [each.name for each in shelf.opened(store.url).names("work/")] == []
