"""Whatever is killed amid a rebuild on a cluster, the tables are right or as before."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

from tests.spark.archived import Archived, differences
from tests.spark.sabotage import STEPS, deadly, died
from tests.support.databases import Contents
from tests.support.spark import Cluster
from tests.support.spark_driver import Driver

#: So many that something always falls between some.
_MANY = ("--partitions", "16")


def _until(driver: Driver, what: Callable[[], object]) -> None:
    """Wait until something is so, while a driver runs."""
    while not what():
        assert driver.is_running, driver.told
        time.sleep(0.002)


def _check(archived: Archived, driver: Driver, expected: Contents) -> None:
    """Check that a rebuild has succeeded, and has left nothing."""
    done = driver.ended()
    assert (done.code, done.err) == (0, "")
    assert {each["matched"] for each in done.json["rebuilt"]} == {True}
    assert differences(archived.contents(), expected) == ""
    assert archived.left() == []


def test_python_processes_that_are_killed_in_any_step(
    cluster: Cluster, sqlite_archived: Archived, expected: Contents, tmp_path: Path
) -> None:
    """The attempts leave what they have put; other attempts take their places."""
    deadly(tmp_path / "deadly")
    sqlite_archived.mark()
    conf = f"spark.executorEnv.PYTHONPATH={tmp_path / 'deadly'}"
    driver = sqlite_archived.start(cluster, *_MANY, "--spark-conf", conf)
    _check(sqlite_archived, driver, expected)
    assert died(tmp_path / "deadly") == {*STEPS}
    ends = [each.end for each in cluster.attempts()]
    assert ends.count("ExceptionFailure") == len(STEPS)


def test_an_executor_that_is_killed(
    cluster: Cluster, postgres_archived: Archived, expected: Contents
) -> None:
    """The output of its tasks is lost with it: they run again."""
    postgres_archived.mark()
    driver = postgres_archived.start(cluster, *_MANY)
    _until(driver, postgres_archived.parts)
    cluster.executors()[0].signal(signal.SIGKILL)
    _check(postgres_archived, driver, expected)
    assert "ExecutorLostFailure" in {each.end for each in cluster.attempts()}


def test_a_python_process_that_hangs_is_overtaken_by_a_speculative_attempt(
    cluster: Cluster, sqlite_archived: Archived, expected: Contents
) -> None:
    sqlite_archived.mark()
    settings = {
        "spark.speculation": "true",
        "spark.speculation.interval": "100ms",
        "spark.speculation.multiplier": "1.5",
        "spark.speculation.quantile": "0.5",
    }
    conf = [word for each in settings.items() for word in ("--spark-conf", "=".join(each))]
    driver = sqlite_archived.start(cluster, *_MANY, *conf)
    _until(driver, sqlite_archived.parts)
    executor = cluster.executors()[0]
    for each in cluster.pythons():
        if each.session == executor.session:
            each.signal(signal.SIGSTOP)
    _check(sqlite_archived, driver, expected)
    overtaking = [each.end for each in cluster.attempts() if each.is_speculative]
    assert "Success" in overtaking


def test_a_driver_that_is_killed_leaves_the_tables_as_they_were(
    cluster: Cluster, archived: Archived, expected: Contents
) -> None:
    """Java and executors end by themselves; the next rebuild removes the results that are left."""
    archived.mark()
    before = archived.contents()
    driver = archived.start(cluster, *_MANY)
    _until(driver, archived.parts)
    driver.kill()
    cluster.until_idle()
    assert differences(archived.contents(), before) == ""
    assert archived.parts() != []
    done = archived.rebuild(cluster)
    assert (done.code, done.err, done.json["found_leftovers"]) == (0, "", True)
    assert differences(archived.contents(), expected) == ""
    assert archived.left() == []
