"""One customer may have most of the events: memory does not grow with their number."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.spark import deliveries
from tests.spark.archived import Archived, differences
from tests.support.databases import copy_file
from tests.support.spark import Cluster

EVENTS = 200_000
OTHERS = 5_000

#: A Python process of an executor that folds has some 210 MiB; with 200,000 facts at once it would
#: have 110 more.
MEMORY_BYTES_MAX = 260 * 2**20


@contextmanager
def _peaks(cluster: Cluster) -> Iterator[dict[int, int]]:
    """Watch how much memory each Python process of the executors takes at the most, in bytes."""
    peaks: dict[int, int] = {}
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            for each in cluster.pythons():
                peaks[each.pid] = max(each.peak_bytes, peaks.get(each.pid, 0))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def test_memory_is_bounded(
    cluster: Cluster, sqlite_template: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archived = Archived(copy_file(sqlite_template, tmp_path), str(tmp_path / "archive"))
    path = tmp_path / "deliveries.ndjson"
    with path.open("wb") as file:
        file.writelines(deliveries.lines(OTHERS))
        file.writelines(deliveries.of_one(EVENTS, "cust_one"))
        file.writelines(deliveries.lines(OTHERS, seed=2))
    assert archived.command("ingest", "--no-catch-up", str(path)).code == 0
    expected = archived.rebuild_in_one_process()
    archived.archive_ranges(50_000)
    archived.mark()
    with _peaks(cluster) as peaks:
        done = archived.rebuild(cluster, "--partitions", "6")
    assert (done.code, done.err) == (0, "")
    assert done.json["engine_position"] == 200_000
    assert differences(archived.contents(), expected) == ""
    reported = done.json["engine_cost"]["memory_bytes_max"]
    with capsys.disabled():
        seen = ", ".join(f"{each / 2**20:.0f}" for each in sorted(peaks.values()))
        print(f"\nPython processes took {seen} MiB at the most; told: {reported / 2**20:.0f} MiB")
    assert 0 < reported <= MEMORY_BYTES_MAX
    assert 0 < max(peaks.values()) <= MEMORY_BYTES_MAX
